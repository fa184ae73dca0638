import { existsSync, realpathSync } from 'node:fs'
import path from 'node:path'

import { UsageError, type CliIo, type Command, type ParsedArgs } from './cli.ts'
import { serveConfig } from './settings/parse-config.ts'
import { SERVE_SETTINGS } from './settings/serve.ts'
import { isOn, lastOf } from './flags.ts'
import { CONFIG_ARGS, loadSettings, settingArgs } from './settings/load.ts'
import { mergeSettings, variableOf, type Setting } from './settings/settings.ts'
import { storesConfig } from './settings/stores.ts'
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
      instances: {
        type: 'boolean',
        description: 'Print a template for several servers on this host: depot@8081 listens on port 8081',
      },
      ...settingArgs(SERVE_SETTINGS),
      ...CONFIG_ARGS,
    },
    notes: NOTES,
    examples: [
      'depot systemd-unit > /etc/systemd/system/depot.service',
      'depot systemd-unit --auth-file /etc/depot/auth.keys --listen-addr 0.0.0.0:8080 --public-url https://depot.example.org',
      'depot systemd-unit --private-key /etc/depot/signing.key --store-path /srv/depot --user depot',
      'depot systemd-unit --instances --user depot --drain-delay 10 > /etc/systemd/system/depot@.service',
    ],
    async run({ flags }) {
      const { user: _user, instances: _instances, ...given } = flags
      const settings = wholePaths(given)
      refuseBreaks(settings)
      const isTemplate = isOn(flags, 'instances')
      refusePassword(lastOf(settings, 'database-url'), isTemplate)
      refuseSecrets(settings, isTemplate)
      const { mode, drainDelayMs, graceMs, port } = serveConfig(
        mergeSettings(SERVE_SETTINGS, { flags: settings, env: {} }),
        {},
        '/',
      )
      if (mode === 'db-migrations' || mode === 'check-config')
        throw new UsageError(`--mode ${mode} comes to an end by itself: it is no service`)
      const storeFolders = foldersOfStores(lastOf(settings, 'config') ?? SYSTEM_CONFIG)
      const user = userOf(lastOf(flags, 'user'), {
        'a user that comes and goes with the server owns no folder elsewhere': [
          ...(settings['store-path'] === undefined ? [] : ['--store-path']),
          ...storeFolders.map((folder) => `the store in ${folder}`),
        ],
        'systemd would make another one for each, and they share their data': isTemplate ? ['--instances'] : [],
      })
      const absolute = program.map((file) => realpathSync(file))
      io.out(
        unitFile({ program: absolute, flags: settings, storeFolders, isTemplate, user, drainDelayMs, graceMs, port }),
      )
      return 0
    },
  }
}

/** What the server reads when no other file is named: it has no home of its own. */
const SYSTEM_CONFIG = '/etc/depot/depot.toml'

/** The folder that systemd makes, in which no store needs to be named. */
const STATE_FOLDER = '/var/lib/depot'

/**
 * Folders of the `[[stores]]` that the server will find in its configuration; none when there is no such file yet.
 *
 * @throws UsageError naming what is wrong with it
 */
function foldersOfStores(config: string): readonly string[] {
  if (!existsSync(config)) return []
  const { values } = loadSettings(SERVE_SETTINGS, { config: [config] }, {})
  const folders = storesConfig(values)?.stores.flatMap(({ place }) => (place.type === 'fs' ? [place.path] : []))
  return folders?.filter((folder) => folder !== STATE_FOLDER && !folder.startsWith(`${STATE_FOLDER}/`)) ?? []
}

/** @param needs why there must be one, and what needs it */
function userOf(user: string | undefined, needs: Readonly<Record<string, readonly string[]>>): string | undefined {
  if (user !== undefined && !USER.test(user)) throw new UsageError(`--user ${user}: that is no name of a user`)
  for (const [reason, [first]] of Object.entries(needs))
    if (user === undefined && first !== undefined) throw new UsageError(`${first} needs --user: ${reason}`)
  return user
}

/** As useradd takes it. */
const USER = /^[a-z_][a-z0-9_-]{0,31}$/

const NOTES =
  'Data lies in /var/lib/depot (StateDirectory) unless --store-path is given, settings that are not given come from\n' +
  '/etc/depot/depot.toml. The folders of its [[stores]] may be written to: print the unit anew when they change. Keys that\n' +
  '--private-key and --npm-private-key name are read by systemd and handed over as credentials. systemctl reload reads the auth file again.'

/** A unit has a setting a line, a backslash at its end goes on in the next one, and blanks there are dropped. */
function refuseBreaks(flags: ParsedArgs['flags']): void {
  for (const [name, values] of Object.entries(flags))
    if (values.some((value) => /\p{Cc}|[\s\\]$/u.test(value)))
      throw new UsageError(`--${name}: no unit takes line breaks, nor a blank or a backslash at the end`)
}

function refusePassword(databaseUrl: string | undefined, isTemplate: boolean): void {
  const url = databaseUrl === undefined ? null : URL.parse(databaseUrl)
  if (url === null || (url.password === '' && !url.searchParams.has('password'))) return
  throw new UsageError(
    '--database-url has a password, and everyone may read a unit: put DEPOT_DATABASE_URL=… into a file with mode 0600, and name it with ' +
      secretsFile(isTemplate),
  )
}

function refuseSecrets(flags: ParsedArgs['flags'], isTemplate: boolean): void {
  const table: Readonly<Record<string, Setting>> = SERVE_SETTINGS
  const name = Object.keys(flags).find((flag) => table[flag]?.secret === true)
  if (name === undefined) return
  throw new UsageError(
    `--${name} is a secret, and everyone may read a unit: put ${variableOf(name)}=… into a file with mode 0600, and name it with ` +
      secretsFile(isTemplate),
  )
}

/** @param isTemplate its instances have their settings from `depot@`; a unit `depot` does not exist then */
function secretsFile(isTemplate: boolean): string {
  return `systemctl edit ${isTemplate ? 'depot@' : 'depot'}: [Service] EnvironmentFile=FILE`
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
