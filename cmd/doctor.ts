import { hint } from '../src/hint.ts'
import { LIMITS } from '../src/limits.ts'
import { UsageError, type CliIo, type Command, type ParsedArgs } from './cli.ts'
import { SERVE_SETTINGS } from './config.ts'
import { printed, reported, type Check } from './doctor/finding.ts'
import { runChecks } from './doctor/run-checks.ts'
import { SERVER_CHECKS } from './doctor/server-checks.ts'
import { serverContext } from './doctor/server-context.ts'
import { isOn } from './flags.ts'
import { CONFIG_ARGS, settingArgs } from './load-settings.ts'
import { plainJson } from './plain.ts'
import type { Environment } from './settings.ts'

export interface DoctorOptions {
  readonly env: Environment
  readonly io: CliIo
  /** The folder whose project is looked at. */
  readonly cwd: string
}

/** `depot doctor`: what is wrong here, and what to do. */
export function doctorCommand({ env, io }: DoctorOptions): Command {
  return {
    name: 'doctor',
    description:
      'Say what is wrong, and what to do: without a URL on the machine of a server, with one on a machine that uses the depot there.',
    args: {
      url: { type: 'positional', required: false, description: 'URL of a depot that clients on this machine use' },
      only: { type: 'string', description: 'Only these checks, with commas between them', valueHint: 'NAMES' },
      json: { type: 'boolean', description: 'One JSON object a line: check, status, message, fix' },
      ...settingArgs(SERVE_SETTINGS),
      ...CONFIG_ARGS,
    },
    notes: `Checks on the machine of a server: ${list(SERVER_CHECKS)}.

Nothing is changed. The exit status is 1 when a line begins with fail.`,
    examples: ['depot doctor', 'depot doctor --store-path /srv/depot', 'depot doctor --only disk,database --json'],
    async run({ flags }) {
      return examine(SERVER_CHECKS, serverContext(flags, env), { flags, io })
    },
  }
}

function list(checks: readonly { readonly name: string }[]): string {
  return checks.map(({ name }) => name).join(', ')
}

interface Output {
  readonly flags: ParsedArgs['flags']
  readonly io: CliIo
}

async function examine<Name extends string, Context>(
  all: readonly Check<Name, Context>[],
  context: Context,
  { flags, io }: Output,
): Promise<number> {
  const checks = chosen(
    all,
    (flags['only'] ?? []).flatMap((names) => names.split(',')),
  )
  const width = Math.max(...checks.map(({ name }) => name.length))
  let failed = false
  for await (const { name, findings } of runChecks(checks, context, LIMITS.doctorMs)) {
    for (const finding of findings) {
      const line = reported(name, finding)
      if (isOn(flags, 'json')) io.out(plainJson(line))
      else for (const text of printed(line, width)) io.out(text)
      failed ||= finding.status === 'fail'
    }
  }
  return failed ? 1 : 0
}

/** @throws UsageError for a name that no check has */
function chosen<Name extends string, Context>(
  all: readonly Check<Name, Context>[],
  only: readonly string[],
): readonly Check<Name, Context>[] {
  const names = all.map(({ name }) => name)
  const strange = only.find((name) => !names.some((known) => known === name))
  if (strange !== undefined)
    throw new UsageError(`--only knows no '${strange}'${hint(strange, names)}: it takes ${names.join(', ')}`)
  return only.length === 0 ? all : all.filter(({ name }) => only.includes(name))
}
