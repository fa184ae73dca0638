import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync } from 'node:fs'

import type { ArgsDef } from 'citty'

import { messageOf } from '../../src/thrown.ts'
import { UsageError, type ParsedArgs } from '../cli.ts'
import { lastOf } from '../flags.ts'
import { configFileOf, configPaths, homeOf, type Environment } from '../environment.ts'
import { mergeSettings, unknownVariables, variableOf, type SettingTable, type SettingValues } from './settings.ts'

/** What every command that reads settings takes besides. */
export const CONFIG_ARGS = {
  config: {
    type: 'string',
    description: 'Configuration file (default: depot.toml in $XDG_CONFIG_HOME/depot or /etc/depot)',
    valueHint: 'FILE',
  },
} as const satisfies ArgsDef

/** For the help of a command that takes settings. */
export const SETTINGS_NOTE =
  'An option that takes a setting may also be a variable (--store-path: DEPOT_STORE_PATH) or a key of depot.toml\n' +
  '(store-path = "/srv/depot"). The command line wins over the variable, and the variable over the file.'

/** The settings of a table as flags, for the help and the argument check. */
export function settingArgs(table: SettingTable): ArgsDef {
  return Object.fromEntries(
    Object.entries(table).map(([name, { type, description, hint, words }]) => {
      if (type === 'boolean') return [name, { type: 'boolean' as const, description }]
      if (words !== undefined) return [name, { type: 'enum' as const, description, options: [...words] }]
      return [name, { type: 'string' as const, description, ...(hint === undefined ? {} : { valueHint: hint }) }]
    }),
  )
}

export interface LoadedSettings {
  readonly values: SettingValues
  readonly warnings: readonly string[]
  readonly home: string
}

/** Read the configuration file, if there is one, and bring all sources together. @throws UsageError */
export function loadSettings(table: SettingTable, flags: ParsedArgs['flags'], env: Environment): LoadedSettings {
  const home = homeOf(env)
  const named = lastOf(flags, 'config') ?? configFileOf(env)
  const path = named ?? configPaths(env, home).find((candidate) => existsSync(candidate))
  const file = path === undefined ? {} : { file: { path, text: readConfig(path) } }
  const warnings = [...unknownVariables(table, env), ...seenSecrets(table, flags)]
  return { values: mergeSettings(table, { flags, env, ...file }), warnings, home }
}

/** A line for each secret that stands where every user of this machine can read it. */
function seenSecrets(table: SettingTable, flags: ParsedArgs['flags']): readonly string[] {
  return Object.entries(table)
    .filter(([name, { secret }]) => secret === true && flags[name] !== undefined)
    .map(([name]) => `everybody on this machine can see --${name}: better put it into ${variableOf(name)}, or the file`)
}

/** @throws UsageError, also for a pipe or a device: whoever reads one may wait for ever, or read it twice */
function readConfig(path: string): string {
  // What many give to say: none.
  if (path === '/dev/null') return ''
  let file: number | undefined
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    if (!fstatSync(file).isFile()) throw new Error('it is not a regular file')
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`cannot read the configuration ${path}: ${messageOf(error)}`)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
