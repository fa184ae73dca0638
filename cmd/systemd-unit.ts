import { realpathSync } from 'node:fs'
import path from 'node:path'

import { UsageError, type CliIo, type Command, type ParsedArgs } from './cli.ts'
import { SERVE_SETTINGS, serveConfig } from './config.ts'
import { lastOf } from './flags.ts'
import { CONFIG_ARGS, settingArgs } from './load-settings.ts'
import { mergeSettings, type Setting } from './settings.ts'
import { unitFile } from './unit-file.ts'

/** `depot systemd-unit`. `program`: Node, and the script that was started. */
export function systemdUnitCommand(program: readonly string[], io: CliIo): Command {
  return {
    name: 'systemd-unit',
    description: 'Print a unit of systemd that runs this very depot, hardened, with the options given here.',
    args: {
      user: {
        type: 'string',
        description: 'System user to run as (default: one that systemd makes, DynamicUser)',
        valueHint: 'NAME',
      },
      ...settingArgs(SERVE_SETTINGS),
      ...CONFIG_ARGS,
    },
    notes: NOTES,
    examples: [
      'depot systemd-unit > /etc/systemd/system/depot.service',
      'depot systemd-unit --auth-file /etc/depot/auth.keys --listen-addr 0.0.0.0:8080 --public-url https://depot.example.org',
      'depot systemd-unit --private-key /etc/depot/signing.key --store-path /srv/depot --user depot',
    ],
    async run({ flags }) {
      const { user: _user, ...given } = flags
      const settings = wholePaths(given)
      refuseBreaks(settings)
      refusePassword(lastOf(settings, 'database-url'))
      const { graceMs, port } = serveConfig(mergeSettings(SERVE_SETTINGS, { flags: settings, env: {} }), {}, '/')
      const user = lastOf(flags, 'user')
      if (user !== undefined && !USER.test(user)) throw new UsageError(`--user ${user}: that is no name of a user`)
      if (settings['store-path'] !== undefined && user === undefined) {
        throw new UsageError(
          '--store-path needs --user: a user that comes and goes with the server owns no folder elsewhere',
        )
      }
      const absolute = program.map((file) => realpathSync(file))
      io.out(unitFile({ program: absolute, flags: settings, user, graceMs, port }))
      return 0
    },
  }
}

/** As useradd takes it. */
const USER = /^[a-z_][a-z0-9_-]{0,31}$/

const NOTES =
  'Data lies in /var/lib/depot (StateDirectory) unless --store-path is given, settings that are not given come from\n' +
  '/etc/depot/depot.toml. Keys that --private-key names are read by systemd and handed over as credentials. systemctl reload\n' +
  'reads the auth file again.'

/** A unit has a setting a line, a backslash at its end goes on in the next one, and blanks there are dropped. */
function refuseBreaks(flags: ParsedArgs['flags']): void {
  for (const [name, values] of Object.entries(flags))
    if (values.some((value) => /\p{Cc}|[\s\\]$/u.test(value)))
      throw new UsageError(`--${name}: no unit takes line breaks, nor a blank or a backslash at the end`)
}

function refusePassword(databaseUrl: string | undefined): void {
  const url = databaseUrl === undefined ? null : URL.parse(databaseUrl)
  if (url === null || (url.password === '' && !url.searchParams.has('password'))) return
  throw new UsageError(
    '--database-url has a password, and everyone may read a unit: put DEPOT_DATABASE_URL=… into a file with mode 0600, and name it with ' +
      'systemctl edit depot: [Service] EnvironmentFile=FILE',
  )
}

/** The unit is started in no folder of ours. */
function wholePaths(flags: ParsedArgs['flags']): ParsedArgs['flags'] {
  const table: Readonly<Record<string, Setting>> = SERVE_SETTINGS
  return Object.fromEntries(
    Object.entries(flags).map(([name, values]) => {
      const hint = name === 'config' ? 'FILE' : table[name]?.hint
      const isFile = hint === 'FILE' || hint === 'DIR' || hint === 'PATH'
      return [name, isFile ? values.map((value) => path.resolve(value)) : values]
    }),
  )
}
