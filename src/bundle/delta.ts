import { DepotError } from '../errors.ts'
import type { BundledFile, Manifest } from './manifest.ts'
import { isMetadata } from './order.ts'

/** A file that was saved, before it is known what the other side has. */
export type HashedFile = Omit<BundledFile, 'carried'>

/** Says whether the other side has a file already, so that it need not be carried. */
export type Has = (file: HashedFile) => boolean

/** What a bundle is to be of: everything, or what the other side lacks. */
export function manifestOf(
  files: readonly HashedFile[],
  { created, base, has }: { readonly created: string; readonly base?: string | undefined; readonly has?: Has },
): Manifest {
  return {
    created,
    ...(base === undefined ? {} : { base }),
    files: files.map((file) => ({ ...file, carried: has?.(file) !== true })),
  }
}

/** Of a side that has all files of an earlier bundle, at the paths where they were. */
export function hasFilesOf({ files }: Manifest): Has {
  const there = new Map(files.map(({ path, sha256 }) => [path, sha256]))
  return ({ path, sha256 }) => there.get(path) === sha256
}

/**
 * Of a depot that holds these blobs. Metadata is always carried: a depot renders its own, and what is asked of the bundle
 * has to be found in it.
 */
export function hasBlobsOf(digests: ReadonlySet<string>): Has {
  return ({ path, sha256, content }) => !isMetadata(path) && digests.has(content ?? sha256)
}

/** The first line of an inventory; a sha256 in hex follows in each, sorted. */
export const INVENTORY_FORMAT = '# depot-inventory/1'

/**
 * Read the list of blobs that a depot holds, however long it is, and keep of it what is wanted.
 *
 * @throws DepotError `CONTENT_MISMATCH` when it is no inventory, or was cut
 */
export async function readInventory(
  pieces: AsyncIterable<Uint8Array>,
  wanted: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const digests = new Set<string>()
  const decoder = new TextDecoder()
  let rest = ''
  let before = ''
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      // The `#` of the first line sorts before all digests, which rise.
      if (before === '' ? line !== INVENTORY_FORMAT : !SHA256.test(line) || line <= before) throw notAnInventory()
      if (wanted.has(line)) digests.add(line)
      before = line
    }
    if (rest.length > LINE_LENGTH_MAX) throw notAnInventory()
  }
  if (before === '' || rest !== '') throw notAnInventory()
  return digests
}

const LINE_LENGTH_MAX = 100
const SHA256 = /^[0-9a-f]{64}$/

function notAnInventory(): DepotError {
  return new DepotError(
    'CONTENT_MISMATCH',
    "not a whole inventory: 'depot inventory' of the other side writes one, a sha256 a line",
  )
}
