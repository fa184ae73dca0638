import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import path from 'node:path'

import type { FileTree, FileTreeEntry } from '../../src/file-tree.ts'
import type { NarNode } from './nar.ts'

/** A folder or file of this host as it would be archived; contents are read when their turn comes. */
export async function treeOf(file: Buffer): Promise<FileTree> {
  const stats = await lstat(file)
  if (stats.isSymbolicLink()) return { type: 'symlink', target: await readlink(file, 'buffer') }
  if (stats.isDirectory()) return { type: 'directory', entries: entriesOf(file) }
  return {
    type: 'regular',
    executable: (stats.mode & 0o100) !== 0,
    sizeBytes: stats.size,
    contents: createReadStream(file),
  }
}

async function* entriesOf(folder: Buffer): AsyncGenerator<FileTreeEntry> {
  const names = (await readdir(folder, 'buffer')).sort((a, b) => Buffer.compare(a, b))
  for (const name of names) {
    yield { name, node: await treeOf(Buffer.concat([folder, Buffer.from(path.sep), name])) }
  }
}

/** What the tests' own writer writes, for the one of the project; contents come in pieces of this size. */
export function treeOfNode(node: NarNode, pieceBytes: number): FileTree {
  switch (node.type) {
    case 'symlink':
      return node
    case 'directory':
      return {
        type: 'directory',
        entries: node.entries.map(([name, child]) => ({ name, node: treeOfNode(child, pieceBytes) })),
      }
    case 'regular': {
      const content = Buffer.from(node.content)
      return {
        type: 'regular',
        executable: node.executable === true,
        sizeBytes: content.byteLength,
        contents: inPieces(content, pieceBytes),
      }
    }
  }
}

/** The same buffer for every piece, as a pool of buffers would. */
async function* inPieces(content: Buffer, pieceBytes: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(pieceBytes)
  for (let at = 0; at < content.byteLength; at += pieceBytes) {
    const piece = content.subarray(at, at + pieceBytes)
    buffer.set(piece)
    yield buffer.subarray(0, piece.byteLength)
  }
}
