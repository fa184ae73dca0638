import { DepotError } from '../../src/errors.ts'
import type { FileTree, FileTreeEntry } from '../../src/file-tree.ts'
import { gathered } from '../../src/gathered.ts'
import { NAR_MAGIC, narLength, narPadding, narStrings } from './nar-format.ts'
import { createNarParser } from './nar-parser.ts'

/**
 * The archive of a tree, bit for bit what `nix-store --dump` writes (thesis figure 5.2; nix: libutil/archive.cc). It holds one buffer
 * and the open directories, however large the tree is. A piece is valid until the next one is asked for.
 *
 * @throws DepotError `CONTENT_MISMATCH` when a file is not as long as it was said to be, or `createNarParser` would not take the archive:
 * names out of order, too deep; also whatever the contents throw
 */
export async function* writeNar(root: FileTree): AsyncGenerator<Uint8Array> {
  const parser = createNarParser()
  for await (const piece of gathered(piecesOf(root))) {
    parser.push(piece)
    yield piece
  }
  parser.end()
}

/** No recursion: each level of generators would be passed by every piece. */
async function* piecesOf(root: FileTree): AsyncGenerator<Uint8Array> {
  const open: AsyncGenerator<FileTreeEntry>[] = []
  try {
    yield narStrings(NAR_MAGIC)
    yield* begin(root, open)
    for (let directory = open.at(-1); directory !== undefined; directory = open.at(-1)) {
      const next = await directory.next()
      if (next.done === true) {
        open.pop()
        yield open.length > 0 ? CLOSE_ENTRY : CLOSE
        continue
      }
      const { name, node } = next.value
      yield narStrings('entry', '(', 'name', name, 'node')
      yield* begin(node, open)
      if (node.type !== 'directory') yield narStrings(')')
    }
  } finally {
    for (const directory of open.reverse()) await directory.return(undefined)
  }
}

/** A whole file or link, or the beginning of a directory, which is then the last of those that are open. */
async function* begin(node: FileTree, open: AsyncGenerator<FileTreeEntry>[]): AsyncGenerator<Uint8Array> {
  switch (node.type) {
    case 'regular':
      yield* file(node)
      return
    case 'symlink':
      yield narStrings('(', 'type', 'symlink', 'target', node.target, ')')
      return
    case 'directory':
      yield narStrings('(', 'type', 'directory')
      open.push(each(node.entries))
  }
}

async function* file(node: Extract<FileTree, { type: 'regular' }>): AsyncGenerator<Uint8Array> {
  const { executable, sizeBytes, contents } = node
  yield narStrings('(', 'type', 'regular', ...(executable ? ['executable', ''] : []), 'contents')
  yield narLength(sizeBytes)
  let left = sizeBytes
  for await (const bytes of contents) {
    left -= bytes.byteLength
    if (left < 0) throw changed(`longer than its ${sizeBytes} bytes`)
    yield bytes
  }
  if (left > 0) throw changed(`${left} bytes shorter than its ${sizeBytes}`)
  yield narPadding(sizeBytes)
  yield CLOSE
}

async function* each(entries: Iterable<FileTreeEntry> | AsyncIterable<FileTreeEntry>): AsyncGenerator<FileTreeEntry> {
  yield* entries
}

const CLOSE = narStrings(')')
const CLOSE_ENTRY = narStrings(')', ')')

function changed(how: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', `a file is ${how}: it changed while it was read`)
}
