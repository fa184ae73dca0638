import { homedir } from 'node:os'
import path from 'node:path'

/** The variables of a process; only `cmd` reads them. */
export type Environment = Readonly<Record<string, string | undefined>>

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

/** The configuration file that a variable names; an empty one counts as none, like that of any setting. */
export function configFileOf(env: Environment): string | undefined {
  const file = env['DEPOT_CONFIG']
  return file === '' ? undefined : file
}

/** Where a configuration file may lie, strongest first. Never the working directory: a checkout must not configure a server. */
export function configPaths(env: Environment, home: string): readonly string[] {
  return [path.join(configHome(env, home), 'depot', 'depot.toml'), '/etc/depot/depot.toml']
}

/** A relative path, or an empty one, is to be ignored (XDG Base Directory Specification): it would be one of the working directory. */
function named(folder: string | undefined): string | undefined {
  return folder !== undefined && path.isAbsolute(folder) ? folder : undefined
}
