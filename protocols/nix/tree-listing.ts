import { DepotError } from '../../src/errors.ts'
import type { FileTree, FileTreeEntry } from '../../src/file-tree.ts'
import { LIMITS } from '../../src/limits.ts'
import { LENGTH_BYTES, NAR_MAGIC, narStringsBytes, padded } from './nar-format.ts'
import { boundedText, LISTING, type BoundedText } from './listing-json.ts'

/** What `listTree` says of a tree. */
export interface TreeListing {
  /** The same that `listNar` makes of its archive. */
  readonly json: string
  /** Of its archive. */
  readonly narSizeBytes: number
}

/**
 * The listing of the archive that `writeNar` would make of a tree: only names and sizes are looked at, no content.
 *
 * @throws DepotError `TOO_LARGE` above `LIMITS.narListingBytesMax` or deeper than archives may be; whatever the tree throws
 */
export async function listTree(root: FileTree): Promise<TreeListing> {
  const json = boundedText(LIMITS.narListingBytesMax)
  const open: OpenDirectory[] = []
  /** Place in the archive. */
  let position = narStringsBytes(NAR_MAGIC)

  function begin(node: FileTree): void {
    position += opening(node, position, json)
    if (node.type !== 'directory') return
    if (open.length > LIMITS.narDepthMax) throw new DepotError('TOO_LARGE', 'the tree is deeper than archives may be')
    open.push({ entries: each(node.entries), separator: '' })
  }
  try {
    json.add(LISTING.begin)
    begin(root)
    for (let directory = open.at(-1); directory !== undefined; directory = open.at(-1)) {
      const next = await directory.entries.next()
      if (next.done === true) {
        open.pop()
        json.add(LISTING.directoryEnd)
        position += open.length > 0 ? narStringsBytes(')', ')') : narStringsBytes(')')
        continue
      }
      const { name, node } = next.value
      json.add(LISTING.entry(directory.separator, textOf(name)))
      directory.separator = ','
      position += narStringsBytes('entry', '(', 'name', name, 'node')
      begin(node)
      if (node.type !== 'directory') position += narStringsBytes(')')
    }
    json.add(LISTING.end)
    return { json: json.text(), narSizeBytes: position }
  } finally {
    for (const { entries } of open.reverse()) await entries.return(undefined)
  }
}

interface OpenDirectory {
  readonly entries: AsyncGenerator<FileTreeEntry>
  /** What stands before its next entry. */
  separator: '' | ','
}

/** Add a file or a link whole, or the beginning of a directory; returns how long that is in the archive. */
function opening(node: FileTree, position: number, json: BoundedText): number {
  switch (node.type) {
    case 'regular': {
      const { executable, sizeBytes } = node
      const marker = executable ? ['executable', ''] : []
      const head = narStringsBytes('(', 'type', 'regular', ...marker, 'contents') + LENGTH_BYTES
      json.add(LISTING.file({ executable, sizeBytes, offset: position + head }))
      return head + padded(sizeBytes) + narStringsBytes(')')
    }
    case 'symlink':
      json.add(LISTING.link(textOf(node.target)))
      return narStringsBytes('(', 'type', 'symlink', 'target', node.target, ')')
    case 'directory':
      json.add(LISTING.directory)
      return narStringsBytes('(', 'type', 'directory')
  }
}

async function* each(entries: Iterable<FileTreeEntry> | AsyncIterable<FileTreeEntry>): AsyncGenerator<FileTreeEntry> {
  yield* entries
}

function textOf(name: Uint8Array | string): string {
  return typeof name === 'string' ? name : Buffer.from(name).toString('utf8')
}
