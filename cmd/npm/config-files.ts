import { stat } from 'node:fs/promises'
import path from 'node:path'

import {
  npmEnvironment,
  npmSettings,
  parseNpmrc,
  type NpmConfig,
  type NpmSettings,
} from '../../protocols/npm/npm-settings.ts'
import { homeOf, type Environment } from '../environment.ts'
import { asText, readUserFile } from '../user-file.ts'

export interface NpmSettingsOptions {
  readonly env: Environment
  /** A folder of the project, whose .npmrc counts. */
  readonly folder: string
  /** As --registry names it. */
  readonly registry: string | undefined
}

/** One place that npm reads settings from. */
export interface NpmSource {
  readonly kind: 'environment' | 'project' | 'user' | 'global'
  /** Its file; the environment has none. */
  readonly file?: string
  readonly config: NpmConfig
}

/**
 * The settings that npm itself would go by: command line, environment, the project's .npmrc, the user's, the machine's where a
 * variable names it.
 *
 * @throws DepotError naming a file that cannot be read
 */
export async function loadNpmSettings({ registry, ...place }: NpmSettingsOptions): Promise<NpmSettings> {
  const typed: NpmConfig = new Map(registry === undefined ? [] : [['registry', registry]])
  return npmSettings([typed, ...(await readNpmSources(place)).map(({ config }) => config)])
}

/** Those settings one by one, strongest first, without the command line's. @throws DepotError naming a file that cannot be read */
export async function readNpmSources({
  env,
  folder,
}: Omit<NpmSettingsOptions, 'registry'>): Promise<readonly NpmSource[]> {
  const fromEnv = npmEnvironment(env)
  const user = fromEnv.get('userconfig') ?? path.join(homeOf(env), '.npmrc')
  const project = path.join(await projectFolder(folder), '.npmrc')
  const machine = fromEnv.get('globalconfig')
  const files = [
    // npm takes the user's own file for no project's.
    ...(project === user ? [] : [{ kind: 'project', file: project } as const]),
    { kind: 'user', file: user } as const,
    ...(machine === undefined ? [] : [{ kind: 'global', file: machine } as const]),
  ]
  const read = files.map(async (each): Promise<NpmSource> => {
    const text = await readUserFile(each.file)
    return { ...each, config: parseNpmrc(asText(text ?? ''), env) }
  })
  return [{ kind: 'environment', config: fromEnv }, ...(await Promise.all(read))]
}

/** The nearest folder, upwards, with a package.json or node_modules; else the one itself. */
async function projectFolder(folder: string): Promise<string> {
  for (let at = folder; ; at = path.dirname(at)) {
    if ((await exists(path.join(at, 'package.json'))) || (await exists(path.join(at, 'node_modules')))) return at
    if (path.dirname(at) === at) return folder
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  )
}
