import { DepotError } from '../../src/errors.ts'
import type { FileTree, FileTreeEntry } from '../../src/file-tree.ts'
import { gathered } from '../../src/gathered.ts'
import { createNarParser } from './nar-parser.ts'

/** What an archive is made of. */
export type NarTree = FileTree
export type NarEntry = FileTreeEntry

/**
 * The archive of a tree, bit for bit what `nix-store --dump` writes (thesis figure 5.2; nix: libutil/archive.cc). It holds one buffer
 * and the open directories, however large the tree is. A piece is valid until the next one is asked for.
 *
 * @throws DepotError `CONTENT_MISMATCH` when a file is not as long as it was said to be, or `createNarParser` would not take the archive:
 * names out of order, too deep; also whatever the contents throw
 */
export async function* writeNar(root: NarTree): AsyncGenerator<Uint8Array> {
  const parser = createNarParser()
  for await (const piece of gathered(piecesOf(root))) {
    parser.push(piece)
    yield piece
  }
  parser.end()
}

/** No recursion: each level of generators would be passed by every piece. */
async function* piecesOf(root: NarTree): AsyncGenerator<Uint8Array> {
  const open: AsyncGenerator<NarEntry>[] = []
  try {
    yield strings('nix-archive-1')
    yield* begin(root, open)
    for (let directory = open.at(-1); directory !== undefined; directory = open.at(-1)) {
      const next = await directory.next()
      if (next.done === true) {
        open.pop()
        yield open.length > 0 ? CLOSE_ENTRY : CLOSE
        continue
      }
      const { name, node } = next.value
      yield strings('entry', '(', 'name', name, 'node')
      yield* begin(node, open)
      if (node.type !== 'directory') yield strings(')')
    }
  } finally {
    for (const directory of open.reverse()) await directory.return(undefined)
  }
}

/** A whole file or link, or the beginning of a directory, which is then the last of those that are open. */
async function* begin(node: NarTree, open: AsyncGenerator<NarEntry>[]): AsyncGenerator<Uint8Array> {
  switch (node.type) {
    case 'regular':
      yield* file(node)
      return
    case 'symlink':
      yield strings('(', 'type', 'symlink', 'target', node.target, ')')
      return
    case 'directory':
      yield strings('(', 'type', 'directory')
      open.push(each(node.entries))
  }
}

async function* file(node: Extract<NarTree, { type: 'regular' }>): AsyncGenerator<Uint8Array> {
  const { executable, sizeBytes, contents } = node
  yield strings('(', 'type', 'regular', ...(executable ? ['executable', ''] : []), 'contents')
  yield uint64(sizeBytes)
  let left = sizeBytes
  for await (const bytes of contents) {
    left -= bytes.byteLength
    if (left < 0) throw changed(`longer than its ${sizeBytes} bytes`)
    yield bytes
  }
  if (left > 0) throw changed(`${left} bytes shorter than its ${sizeBytes}`)
  yield PADDING.subarray(0, paddingOf(sizeBytes))
  yield CLOSE
}

async function* each(entries: Iterable<NarEntry> | AsyncIterable<NarEntry>): AsyncGenerator<NarEntry> {
  yield* entries
}

const PADDING = new Uint8Array(8)
const CLOSE = strings(')')
const CLOSE_ENTRY = strings(')', ')')

/** Strings as archives have them: length, bytes, zeros up to a multiple of eight. */
function strings(...values: readonly (Uint8Array | string)[]): Uint8Array {
  return Buffer.concat(
    values.flatMap((value) => {
      const bytes = typeof value === 'string' ? Buffer.from(value) : value
      return [uint64(bytes.byteLength), bytes, PADDING.subarray(0, paddingOf(bytes.byteLength))]
    }),
  )
}

function uint64(value: number): Uint8Array {
  const field = Buffer.alloc(8)
  field.writeBigUInt64LE(BigInt(value))
  return field
}

function paddingOf(sizeBytes: number): number {
  return (8 - (sizeBytes % 8)) % 8
}

function changed(how: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', `a file is ${how}: it changed while it was read`)
}
