import { hint } from '../src/hint.ts'
import { LIMITS } from '../src/limits.ts'
import { UsageError, type CliIo, type Command, type ParsedArgs } from './cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, findDepot } from './client/client.ts'
import { SERVE_SETTINGS } from './settings/serve.ts'
import { CLIENT_CHECKS } from './doctor/client-checks.ts'
import { clientContext } from './doctor/client-context.ts'
import { printed, reported, type Check } from './doctor/finding.ts'
import { runChecks } from './doctor/run-checks.ts'
import { SERVER_CHECKS } from './doctor/server-checks.ts'
import { serverContext } from './doctor/server-context.ts'
import { useCommandFor } from './doctor/use-command.ts'
import { isOn, lastOf } from './flags.ts'
import { CONFIG_ARGS, settingArgs } from './settings/load.ts'
import { plainJson } from './terminal/plain.ts'
import { readProfiles } from './client/profiles.ts'
import type { Environment } from './environment.ts'
import type { UsedClient } from './use/edits.ts'

export interface DoctorOptions {
  readonly env: Environment
  readonly io: CliIo
  /** The folder whose project is looked at. */
  readonly cwd: string
}

/** `depot doctor`: what is wrong here, and what to do. */
export function doctorCommand(options: DoctorOptions): Command {
  const { env } = options
  return {
    name: 'doctor',
    description:
      'Say what is wrong, and what to do: without a URL on the machine of a server, with one on a machine that uses the depot there.',
    args: {
      url: {
        type: 'positional',
        required: false,
        description: 'URL of the depot that this machine uses; - for the one of the last login',
      },
      only: { type: 'string', description: 'Only these checks, with commas between them', valueHint: 'NAMES' },
      json: { type: 'boolean', description: 'One JSON object a line: check, status, message, fix' },
      timeout: {
        type: 'string',
        description: `How long all of it may take (default: ${LIMITS.doctorMs / 1000})`,
        valueHint: 'SECONDS',
      },
      ...CLIENT_ARGS,
      ...settingArgs(SERVE_SETTINGS),
      ...CONFIG_ARGS,
    },
    notes: `Without a URL:\n${table(SERVER_CHECKS)}\n\nWith one:\n${table(CLIENT_CHECKS)}\n\nNothing is changed. The exit status is 1 when a line begins with fail.\n\n${CREDENTIALS_NOTE}`,
    examples: [
      'depot doctor',
      'depot doctor --store-path /srv/depot --only disk,database',
      'depot doctor https://depot.example.org',
      'depot doctor - --only nix,npm --json',
    ],
    async run({ flags, positionals: [typed] }) {
      const limitMs = limitOf(flags)
      if (typed === undefined) return examine(SERVER_CHECKS, serverContext(flags, env, limitMs), { ...options, flags })
      const profiles = await readProfiles(env)
      const { url } = findDepot({ ...options, url: typed === '-' ? undefined : typed }, profiles)
      const use = (client: UsedClient): string => useCommandFor(url, profiles, client)
      return examine(CLIENT_CHECKS, clientContext({ ...options, url, flags, limitMs, use }), { ...options, flags })
    },
  }
}

function table(checks: readonly { readonly name: string; readonly about: string }[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length))
  return checks.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`).join('\n')
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
  for await (const { name, findings } of runChecks(checks, context, limitOf(flags))) {
    for (const finding of findings) {
      const line = reported(name, finding)
      if (isOn(flags, 'json')) io.out(plainJson(line))
      else for (const text of printed(line, width)) io.out(text)
      failed ||= finding.status === 'fail'
    }
  }
  return failed ? 1 : 0
}

/** @throws UsageError */
function limitOf(flags: ParsedArgs['flags']): number {
  const typed = lastOf(flags, 'timeout')
  if (typed === undefined) return LIMITS.doctorMs
  if (/^[1-9]\d{0,3}$/.test(typed)) return 1000 * Number(typed)
  throw new UsageError(`--timeout takes a number of seconds, not '${typed}'`)
}

/** @throws UsageError for a name that no check has */
function chosen<Name extends string, Context>(
  all: readonly Check<Name, Context>[],
  only: readonly string[],
): readonly Check<Name, Context>[] {
  const names = all.map(({ name }) => name)
  const strange = only.find((name) => !names.some((known) => known === name))
  if (strange !== undefined)
    throw new UsageError(`--only knows no '${strange}' here${hint(strange, names)}: it takes ${names.join(', ')}`)
  return only.length === 0 ? all : all.filter(({ name }) => only.includes(name))
}
