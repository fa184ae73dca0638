import { DepotError } from '../../src/errors.ts'
import { messageOf, systemCode } from '../../src/thrown.ts'
import { UsageError } from '../cli.ts'
import { fail, warn, type Check, type Finding } from './finding.ts'

/** A check that is done. */
export interface Done<Name extends string> {
  readonly name: Name
  readonly findings: readonly Finding[]
}

/**
 * Begin all checks at once, and give their findings in the order of the list. One that is late or cannot look is a finding of its own.
 *
 * @param limitMs how long any of them may take, and so all of them
 */
export async function* runChecks<Name extends string, Context>(
  checks: readonly Check<Name, Context>[],
  context: Context,
  limitMs: number,
): AsyncGenerator<Done<Name>> {
  const late = Promise.withResolvers<readonly Finding[]>()
  const timer = setTimeout(() => late.resolve([lateBy(limitMs)]), limitMs)
  const running = checks.map(({ name, run }) => ({
    name,
    findings: Promise.race([outcome(run, context), late.promise]),
  }))
  try {
    for (const { name, findings } of running) yield { name, findings: await findings }
  } finally {
    clearTimeout(timer)
  }
}

async function outcome<Context>(
  run: (context: Context) => Promise<readonly Finding[]>,
  context: Context,
): Promise<readonly Finding[]> {
  try {
    return await run(context)
  } catch (error) {
    if (!isExpected(error)) return [fail(`a bug in this check: ${messageOf(error)}`, 'please report it')]
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ''
    return [fail(`it cannot be looked at: ${messageOf(error)}${cause}`, 'mend that, and run depot doctor again')]
  }
}

function isExpected(error: unknown): boolean {
  return error instanceof DepotError || error instanceof UsageError || systemCode(error) !== undefined
}

/** The network has shorter limits of its own: what is late here is a program or a disk. */
function lateBy(limitMs: number): Finding {
  const seconds = limitMs / 1000
  return warn(
    `not done in ${seconds} s: this machine is busy, or a disk hangs`,
    `depot doctor --timeout ${Math.ceil(seconds) * 4}`,
  )
}
