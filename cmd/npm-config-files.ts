import { stat } from 'node:fs/promises'
import path from 'node:path'

import {
  npmEnvironment,
  npmSettings,
  parseNpmrc,
  type NpmConfig,
  type NpmSettings,
} from '../protocols/npm/npm-settings.ts'
import { homeOf } from './home.ts'
import type { Environment } from './settings.ts'
import { asText, readUserFile } from './user-file.ts'

export interface NpmSettingsOptions {
  readonly env: Environment
  /** A folder of the project, whose .npmrc counts. */
  readonly folder: string
  /** As --registry names it. */
  readonly registry: string | undefined
}

/**
 * The settings that npm itself would go by: command line, environment, the project's .npmrc, the user's, the machine's where a
 * variable names it.
 *
 * @throws DepotError naming a file that cannot be read
 */
export async function loadNpmSettings({ env, folder, registry }: NpmSettingsOptions): Promise<NpmSettings> {
  const fromEnv = npmEnvironment(env)
  const user = fromEnv.get('userconfig') ?? path.join(homeOf(env), '.npmrc')
  const machine = fromEnv.get('globalconfig')
  const files = [path.join(await projectFolder(folder), '.npmrc'), user, ...(machine === undefined ? [] : [machine])]
  const read = [...new Set(files)].map(async (file): Promise<NpmConfig> => {
    const text = await readUserFile(file)
    return parseNpmrc(asText(text ?? ''), env)
  })
  const typed: NpmConfig = new Map(registry === undefined ? [] : [['registry', registry]])
  return npmSettings([typed, fromEnv, ...(await Promise.all(read))])
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
