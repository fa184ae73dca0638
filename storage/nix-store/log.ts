import { join } from 'node:path'

import type { LocalLog } from '../../src/local-store.ts'
import { openTree } from './tree.ts'

/**
 * What the last build of a derivation printed, where Nix keeps it: `<logDir>/<first two digits>/<rest>`, with `.bz2` behind it unless
 * `compress-build-log` is off (nix: libstore/local-fs-store.cc, getBuildLogExact). A link there is nobody's log.
 *
 * @throws DepotError `STORAGE_DOWN`
 */
export function openLog(logDir: string, derivation: string): LocalLog | undefined {
  const folder = join(logDir, derivation.slice(0, SHARD_DIGITS))
  const name = derivation.slice(SHARD_DIGITS)
  for (const [coding, suffix] of FORMS) {
    const file = openTree(folder, name + suffix)
    if (file?.type !== 'regular') continue
    // Compressed nothing has some bytes: this one was only begun.
    if (coding === 'bzip2' && file.sizeBytes === 0) continue
    return { coding, bytes: file.contents }
  }
  return undefined
}

const SHARD_DIGITS = 2
const FORMS = [
  ['none', ''],
  ['bzip2', '.bz2'],
] as const
