import path from 'node:path'

import { parse } from 'smol-toml'
import { z } from 'zod'

import { messageOf } from '../../src/thrown.ts'
import { UsageError } from '../cli.ts'
import { configHome, type Environment } from '../environment.ts'
import { withoutName } from '../python/settings.ts'
import { asText, readUserFile } from '../user-file.ts'

const INDEX = z.object({
  name: z.string().optional(),
  url: z.string(),
  default: z.boolean().optional(),
  explicit: z.boolean().optional(),
})
const SETTINGS = z.object({
  index: z.array(INDEX).optional(),
  'index-url': z.string().optional(),
  'extra-index-url': z.array(z.string()).optional(),
  'index-strategy': z.string().optional(),
  'allow-insecure-host': z.array(z.string()).optional(),
  'native-tls': z.boolean().optional(),
  'system-certs': z.boolean().optional(),
})

export type UvSettings = z.infer<typeof SETTINGS>

/** One place that uv reads settings from. */
export interface UvSource {
  /** Its file, or the variables. */
  readonly from: string
  readonly settings: UvSettings
}

/** The settings that uv goes by in a folder, strongest first. @throws UsageError naming a file that is no TOML */
export async function readUvSources(env: Environment, cwd: string): Promise<readonly UvSource[]> {
  const variables = { from: 'a variable', settings: uvEnvironment(env) }
  if (truthy(env['UV_NO_CONFIG'])) return [variables]
  const named = env['UV_CONFIG_FILE'] ?? ''
  const files =
    named === ''
      ? [...(await projectFiles(cwd)), path.join(configHome(env), 'uv', 'uv.toml'), '/etc/uv/uv.toml']
      : [named]
  const found: UvSource[] = [variables]
  for (const file of files) {
    const text = await readUserFile(file).catch(() => undefined)
    if (text !== undefined) found.push({ from: file, settings: parseUvSettings(file, asText(text)) })
  }
  return found
}

/** `[tool.uv]` of a pyproject.toml, else the whole file. Pure. @throws UsageError */
export function parseUvSettings(file: string, text: string): UvSettings {
  try {
    const table: unknown = parse(text)
    if (path.basename(file) !== 'pyproject.toml') return SETTINGS.parse(table)
    return PROJECT.parse(table).tool?.uv ?? {}
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error)
    throw new UsageError(`${file} is not what uv takes: ${why.split('\n')[0] ?? ''}`)
  }
}

const PROJECT = z.object({ tool: z.object({ uv: SETTINGS.optional() }).optional() })

/** The variables that say the same. Pure. */
export function uvEnvironment(env: Environment): UvSettings {
  const words = (name: string): string[] => (env[name] ?? '').split(/\s+/).filter((word) => word !== '')
  const main = [...words('UV_DEFAULT_INDEX'), ...words('UV_INDEX_URL')][0]
  const index = [
    ...words('UV_INDEX').map((url) => ({ url: withoutName(url) })),
    ...words('UV_EXTRA_INDEX_URL').map((url) => ({ url })),
    ...(main === undefined ? [] : [{ url: withoutName(main), default: true }]),
  ]
  const strategy = env['UV_INDEX_STRATEGY']
  return {
    ...(index.length === 0 ? {} : { index }),
    ...(strategy === undefined || strategy === '' ? {} : { 'index-strategy': strategy }),
    'allow-insecure-host': words('UV_INSECURE_HOST'),
    ...(truthy(env['UV_SYSTEM_CERTS']) || truthy(env['UV_NATIVE_TLS']) ? { 'system-certs': true } : {}),
  }
}

/** The nearest project upwards; a uv.toml beside a pyproject.toml hides its table. */
async function projectFiles(folder: string): Promise<readonly string[]> {
  for (let at = folder; ; at = path.dirname(at)) {
    for (const name of ['uv.toml', 'pyproject.toml']) {
      const file = path.join(at, name)
      if ((await readUserFile(file).catch(() => undefined)) !== undefined) return [file]
    }
    if (path.dirname(at) === at) return []
  }
}

function truthy(value: string | undefined): boolean {
  return /^(?:1|true|yes|on|y|t)$/i.test(value ?? '')
}
