import { existsSync } from 'node:fs'

import { messageOf } from '../../src/thrown.ts'
import { UsageError, type ParsedArgs } from '../cli.ts'
import type { ServeConfig } from '../settings/config.ts'
import { serveConfig } from '../settings/parse-config.ts'
import { SERVE_SETTINGS } from '../settings/serve.ts'
import { lastOf } from '../flags.ts'
import { configFileOf, configPaths, homeOf, type Environment } from '../environment.ts'
import { loadSettings } from '../settings/load.ts'
import { skip, type Finding } from './finding.ts'

/** What the checks of a server's machine start from. */
export interface ServerContext {
  readonly env: Environment
  /** How long all checks may take. */
  readonly limitMs: number
  /** As `depot serve` would run, or why it would not start. */
  readonly config: ServeConfig | string
  /** The configuration file that counts, if there is one. */
  readonly file: string | undefined
  /** Others that are there, and that nobody reads. */
  readonly ignored: readonly string[]
}

/** Read the settings as `depot serve` does. */
export function serverContext(flags: ParsedArgs['flags'], env: Environment, limitMs: number): ServerContext {
  const places = configPaths(env, homeOf(env)).filter((place) => existsSync(place))
  const file = lastOf(flags, 'config') ?? configFileOf(env) ?? places[0]
  return { env, limitMs, config: readConfig(flags, env), file, ignored: places.filter((place) => place !== file) }
}

function readConfig(flags: ParsedArgs['flags'], env: Environment): ServeConfig | string {
  try {
    const { values, home } = loadSettings(SERVE_SETTINGS, flags, env)
    return serveConfig(values, env, home)
  } catch (error) {
    if (error instanceof UsageError) return messageOf(error)
    throw error
  }
}

/** A check that needs the settings; without them there is nothing to look at. */
export function withConfig(
  look: (config: ServeConfig, context: ServerContext) => Promise<readonly Finding[]>,
): (context: ServerContext) => Promise<readonly Finding[]> {
  return async (context) =>
    typeof context.config === 'string' ? [skip('the configuration is not good')] : look(context.config, context)
}
