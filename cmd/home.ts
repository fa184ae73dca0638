import { homedir } from 'node:os'
import path from 'node:path'

import type { Environment } from './settings.ts'

/** This user's home directory. */
export function homeOf(env: Environment): string {
  return env['HOME'] ?? homedir()
}

/** The folder of this user's configuration, `~/.config` unless said otherwise. */
export function configHome(env: Environment, home = homeOf(env)): string {
  return named(env['XDG_CONFIG_HOME']) ?? path.join(home, '.config')
}

/** The folder of this user's data, `~/.local/share` unless said otherwise. */
export function dataHome(env: Environment, home = homeOf(env)): string {
  return named(env['XDG_DATA_HOME']) ?? path.join(home, '.local', 'share')
}

/** A relative path, or an empty one, is to be ignored (XDG Base Directory Specification): it would be one of the working directory. */
function named(folder: string | undefined): string | undefined {
  return folder !== undefined && path.isAbsolute(folder) ? folder : undefined
}
