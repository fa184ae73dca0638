import { parseBaseName, STORE_DIR } from '../../protocols/nix/store-path.ts'
import { UsageError } from '../cli.ts'
import { plain } from '../terminal/plain.ts'

/** The positional of commands on some store paths; the URL may follow it. */
export const PATHS_ARG = {
  type: 'positional',
  description: 'Store paths, or their hashes, and behind them the URL of the depot (default: as for login)',
  required: true,
} as const

/** The hash of a store path as people give it: the path, something in it, its base name, or the hash. @throws UsageError */
export function storeHashOf(text: string): string {
  const inStore = text.startsWith(`${STORE_DIR}/`)
  const [baseName = ''] = (inStore ? text.slice(STORE_DIR.length + 1) : text).split('/', 1)
  const whole = inStore || baseName === text ? (parseBaseName(baseName) ?? parseBaseName(`${baseName}-x`)) : undefined
  if (whole !== undefined) return whole.hash
  throw new UsageError(`'${plain(text)}' is no store path and no hash of one: depot nix list shows both`)
}

/** Paths and, behind them, the URL of a depot if there is one. @throws UsageError */
export function pathsAndUrl(positionals: readonly string[]): {
  readonly hashes: readonly string[]
  readonly url: string | undefined
} {
  const last = positionals.at(-1)
  const url = last?.includes('://') === true ? last : undefined
  const paths = url === undefined ? positionals : positionals.slice(0, -1)
  if (paths.length === 0) throw new UsageError('which store path? depot nix list shows those that are there')
  return { hashes: [...new Set(paths.map(storeHashOf))], url }
}
