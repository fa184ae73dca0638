import { mkdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

/** What a client may see of the runner's environment: `npm test` exports `npm_config_*` that an inner npm would obey. Whom to trust is the network's. */
const INHERITED = ['PATH', 'LANG', 'TMPDIR', 'NODE_EXTRA_CA_CERTS', 'NODE_COMPILE_CACHE']

/**
 * The environment for a client under test: an allow-list of ours, HOME and XDG folders below `home` (created), and `extra`.
 */
export function cleanEnv(home: string, extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const folders = {
    HOME: home,
    XDG_CACHE_HOME: path.join(home, '.cache'),
    XDG_CONFIG_HOME: path.join(home, '.config'),
    XDG_DATA_HOME: path.join(home, '.local/share'),
    XDG_STATE_HOME: path.join(home, '.local/state'),
  }
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true })
  return { ...inherited(), ...folders, ...extra }
}

function inherited(): Record<string, string> {
  const kept = INHERITED.map((name): [string, string | undefined] => [name, process.env[name]])
  return Object.fromEntries(kept.filter((entry): entry is [string, string] => entry[1] !== undefined))
}
