import { parse as parseToml } from 'smol-toml'

import { hint } from '../../src/hint.ts'
import { messageOf } from '../../src/thrown.ts'
import { UsageError, type ParsedArgs } from '../cli.ts'
import type { Environment } from '../environment.ts'

/** One setting under its three names: flag `--listen-addr`, variable `DEPOT_LISTEN_ADDR`, TOML key `listen-addr`. */
export interface Setting {
  readonly type: 'string' | 'boolean' | 'list'
  readonly description: string
  /** Shown in the help beside the flag. */
  readonly hint?: string
  /** The values it takes, where they are few words: completions offer them. */
  readonly words?: readonly string[]
  /** Nobody else should see it: a command line and a unit are seen by many. */
  readonly secret?: boolean
}

export type SettingTable = Readonly<Record<string, Setting>>

/** Values as text, from the strongest source that had one. */
export type SettingValues = ReadonlyMap<string, readonly string[]>

/** The variable of a setting: `listen-addr` is `DEPOT_LISTEN_ADDR`. */
export function variableOf(setting: string): string {
  return `DEPOT_${setting.toUpperCase().replaceAll('-', '_')}`
}

/**
 * Bring the sources together: flags, then environment, then file. Pure; the caller has read the file.
 *
 * @throws UsageError for a file that is not TOML, and for a key or a type that the table does not know.
 */
export function mergeSettings(
  table: SettingTable,
  sources: {
    readonly flags: ParsedArgs['flags']
    readonly env: Environment
    readonly file?: { readonly path: string; readonly text: string }
  },
): SettingValues {
  const fromFile = sources.file === undefined ? new Map<string, readonly string[]>() : parseFile(table, sources.file)
  const values = new Map([...fromFile].filter(([name]) => TABLES.includes(name)))
  for (const [name, { type }] of Object.entries(table)) {
    const flag = Object.hasOwn(sources.flags, name) ? sources.flags[name] : undefined
    const value = flag ?? fromVariable(type, sources.env[variableOf(name)]) ?? fromFile.get(name)
    if (value !== undefined) values.set(name, onlyOne(name, type, value))
  }
  return values
}

function onlyOne(name: string, type: Setting['type'], values: readonly string[]): readonly string[] {
  if (type === 'list' || values.length === 1) return values
  throw new UsageError(`--${name} was given ${values.length} times; it takes one value`)
}

function fromVariable(type: Setting['type'], value: string | undefined): readonly string[] | undefined {
  if (value === undefined || value === '') return undefined
  return type === 'list' ? value.split(',').map((item) => item.trim()) : [value]
}

function parseFile(
  table: SettingTable,
  { path: file, text }: { readonly path: string; readonly text: string },
): SettingValues {
  let parsed: Record<string, unknown>
  try {
    parsed = parseToml(text)
  } catch (error) {
    throw new UsageError(`${file}: ${messageOf(error)}`)
  }
  const values = new Map<string, readonly string[]>()
  for (const [key, value] of Object.entries(parsed)) {
    if (TABLES.includes(key)) {
      values.set(key, tablesOf(`${file}: ${key}`, value))
      continue
    }
    const setting = Object.hasOwn(table, key) ? table[key] : undefined
    const known = [...Object.keys(table), ...TABLES]
    if (setting === undefined) throw new UsageError(`${file}: unknown setting '${key}'${hint(key, known)}`)
    values.set(key, tomlValue(`${file}: ${key}`, setting.type, value))
  }
  return values
}

/** Keys of the file alone, each a list of tables; every table comes as JSON text, for whoever knows what it takes. */
const TABLES: readonly string[] = ['stores']

function tablesOf(where: string, value: unknown): readonly string[] {
  const isTable = (item: unknown): boolean => typeof item === 'object' && item !== null && !Array.isArray(item)
  if (!Array.isArray(value) || !value.every(isTable)) throw new UsageError(`${where} must be tables: [[stores]]`)
  return value.map((table) =>
    JSON.stringify(table, (_, item: unknown) => (typeof item === 'bigint' ? Number(item) : item)),
  )
}

function tomlValue(where: string, type: Setting['type'], value: unknown): readonly string[] {
  if (type === 'list' && typeof value === 'string') return [value]
  if (type === 'list' && Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  if (type === 'boolean' && typeof value === 'boolean') return [String(value)]
  if (type === 'string' && (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint'))
    return [String(value)]
  throw new UsageError(`${where} must be a ${type === 'list' ? 'list of strings' : type}`)
}

/** Variables that other commands and the tests read; anything else that starts with DEPOT_ is likely a slip. */
const OTHER_VARIABLES = new Set([
  'DEPOT_CONFIG',
  'DEPOT_URL',
  'DEPOT_AUTH_TOKEN',
  'DEPOT_SSH_KEY',
  'DEPOT_NPM_DIR',
  'DEPOT_PYTHON_DIR',
  'DEPOT_NIX_DIR',
])

/** A line for each DEPOT_ variable that means nothing. A warning only: Kubernetes sets some by itself. */
export function unknownVariables(table: SettingTable, env: Environment): readonly string[] {
  const known = Object.keys(table).map(variableOf)
  return Object.keys(env)
    .filter(
      (name) => name.startsWith('DEPOT_') && !name.startsWith('DEPOT_TEST_') && !name.startsWith('DEPOT_SERVICE_'),
    )
    .filter((name) => name !== 'DEPOT_PORT' && !name.startsWith('DEPOT_PORT_'))
    .filter((name) => !known.includes(name) && !OTHER_VARIABLES.has(name))
    .map((name) => `the variable ${name} means nothing to depot${hint(name, known)}`)
}
