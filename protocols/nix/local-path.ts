import { createHash } from 'node:crypto'

import { createTurns } from '../../src/turns.ts'
import { DepotError } from '../../src/errors.ts'
import type { FileTree } from '../../src/file-tree.ts'
import { LIMITS } from '../../src/limits.ts'
import type { LocalPath, LocalStore } from '../../src/local-store.ts'
import type { Source } from '../../src/source.ts'
import { shareOf } from '../../src/worker-share.ts'
import { writeNar } from './nar-writer.ts'
import { nix32OfHex } from './nix32.ts'
import type { PathEntry } from './records.ts'
import { isSignature } from './signing.ts'
import { parseStorePath, printStorePath } from './store-path.ts'

/** A valid path of the local store whose files are there. */
export interface FoundPath {
  readonly entry: PathEntry
  readonly tree: FileTree
}

/**
 * The path with this hash part, when the store's database holds it as valid, says all that a narinfo needs, and its files are there.
 *
 * @throws DepotError `STORAGE_DOWN` when the store cannot be read
 */
export function findLocal(store: LocalStore | undefined, storeHash: string): FoundPath | undefined {
  const row = store?.find(storeHash)
  const entry = row && entryOf(row)
  const tree = entry && store?.tree(entry.baseName)
  return entry && tree && { entry, tree }
}

/**
 * The archive of a local path. It is made from the files and hashed while it is sent, from the beginning also for a range of it; its last
 * byte leaves only when it was the archive that the database tells of. While nothing of a piece is wanted the piece is empty, so that a
 * reader who has gone is noticed.
 */
export function localSource({ entry, tree }: FoundPath): Source {
  return {
    sizeBytes: entry.narSizeBytes,
    chunks: ({ start, end }) => checked(entry, writeNar(tree), start, end),
    // Files are open only while they are read.
    async [Symbol.asyncDispose]() {},
  }
}

/** A request of some bytes for one byte costs as much as the whole archive. */
const passing = createTurns(shareOf(LIMITS.localArchivesPassedAtOnce))

async function* checked(
  entry: PathEntry,
  archive: AsyncIterable<Uint8Array>,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  const last = new Uint8Array(1)
  let position = 0
  let passes = false
  const pass = async (wanted: boolean): Promise<void> => {
    if (passes === wanted) return
    if (wanted) await passing.take()
    else passing.giveBack()
    passes = wanted
  }
  try {
    await pass(start > 0)
    for await (const piece of archive) {
      hash.update(piece)
      const [from, to] = [Math.max(start - position, 0), Math.min(end - position, piece.byteLength)]
      position += piece.byteLength
      if (position > entry.narSizeBytes) throw new DepotError('CONTENT_MISMATCH', 'it is longer')
      await pass(from >= to)
      if (from >= to) {
        yield NOTHING
        continue
      }
      const isLast = position >= end
      if (isLast) last.set(piece.subarray(to - 1, to))
      if (to - from > (isLast ? 1 : 0)) yield piece.subarray(from, isLast ? to - 1 : to)
    }
    if (position < entry.narSizeBytes) throw new DepotError('CONTENT_MISMATCH', 'it is shorter')
    const narHash = hash.digest('hex')
    if (narHash !== entry.narHash)
      throw new DepotError('CONTENT_MISMATCH', `its archive has the hash sha256:${nix32OfHex(narHash)}`)
  } catch (error) {
    throw error instanceof DepotError ? broken(entry, error) : error
  } finally {
    await pass(false)
  }
  yield last
}

const NOTHING = new Uint8Array(0)

function broken({ baseName, narHash }: PathEntry, error: DepotError): DepotError {
  return new DepotError(
    error.code,
    `${printStorePath(baseName)} of the local store is not the sha256:${nix32OfHex(narHash)} that its database tells of: ${error.message}`,
    { cause: error },
  )
}

/** As an upload would have told it: whatever does not fit into a narinfo is not served. */
function entryOf({ path, hash, narSize, references, deriver, sigs, ca }: LocalPath): PathEntry | undefined {
  const storePath = parseStorePath(path)
  const narHash = /^sha256:(?<hex>[0-9a-f]{64})$/.exec(hash)?.groups?.['hex']
  const names = references.map((reference) => parseStorePath(reference)?.baseName)
  const known = names.filter((name) => name !== undefined)
  if (storePath === undefined || narHash === undefined || narSize === null || narSize <= 0) return undefined
  if (!Number.isSafeInteger(narSize) || known.length < names.length) return undefined
  if (ca !== null && !/^[0-9A-Za-z:+/=_-]*$/.test(ca)) return undefined
  const derivation = parseStorePath(deriver ?? '')?.baseName
  return {
    baseName: storePath.baseName,
    narHash,
    narSizeBytes: narSize,
    references: known.sort(),
    ...(derivation?.endsWith('.drv') === true ? { deriver: derivation } : {}),
    ...(ca === null || ca === '' ? {} : { ca }),
    signatures: (sigs ?? '').split(' ').filter((signature) => isSignature(signature)),
  }
}
