import { execFile } from 'node:child_process'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createNarParser } from '../../../protocols/nix/nar-parser.ts'
import { writeNar } from '../../../protocols/nix/nar-writer.ts'
import type { FileTree, FileTreeEntry } from '../../../src/file-tree.ts'
import { DepotError } from '../../../src/errors.ts'
import { collect } from '../../helpers/depot.ts'
import { nested } from '../../helpers/evil-archives.ts'
import { describeWith, have } from '../../helpers/have.ts'
import { narNodes } from '../../helpers/nar-nodes.ts'
import { treeOf, treeOfNode } from '../../helpers/nar-tree.ts'
import { writeNar as writeWhole } from '../../helpers/nar.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const dump = promisify(execFile)

describe('the archive writer', () => {
  it('writes any tree as it must be, and the parser takes it', async () => {
    await fc.assert(
      fc.asyncProperty(narNodes, fc.integer({ min: 1, max: 100 }), async (node, pieceBytes) => {
        const written = await collect(writeNar(treeOfNode(node, pieceBytes)))
        expect(written.equals(writeWhole(node))).toBe(true)
        const parser = createNarParser()
        parser.push(written)
        parser.end()
      }),
    )
  })

  it.each([
    ['shorter', [Buffer.from('abc')], 4, '1 bytes shorter'],
    ['empty instead of full', [], 4, '4 bytes shorter'],
    ['longer', [Buffer.from('abc'), Buffer.from('de')], 4, 'longer than its 4'],
    ['full instead of empty', [Buffer.from('a')], 0, 'longer than its 0'],
  ])('does not end an archive whose file is %s', async (_, pieces, sizeBytes, reason) => {
    const file = (): FileTree => ({ type: 'regular', executable: false, sizeBytes, contents: each(pieces) })
    for (const tree of [file(), folder({ name: 'f', node: file() })]) {
      const { written, error } = await attempt(tree)
      expect(error).toMatchObject({ code: 'CONTENT_MISMATCH', message: expect.stringContaining(reason) as unknown })
      const parser = createNarParser()
      parser.push(written)
      expect(() => parser.end()).toThrow('ends in the middle')
    }
  })

  const link: FileTree = { type: 'symlink', target: 'x' }
  it.each<[string, FileTree, string]>([
    ['names out of order', folder({ name: 'b', node: link }, { name: 'a', node: link }), 'do not ascend'],
    ['a name twice', folder({ name: 'a', node: link }, { name: 'a', node: link }), 'do not ascend'],
    ['the parent folder', folder({ name: '..', node: link }), 'entry named'],
    ['a name that is a path', folder({ name: 'a/b', node: link }), 'entry named'],
    ['a name of 256 bytes', folder({ name: 'n'.repeat(256), node: link }), 'at most 255'],
    ['a link to nowhere', { type: 'symlink', target: '' }, 'nowhere'],
    ['too many levels', treeOfNode(nested(1025), 1), 'nests deeper'],
  ])('writes nothing that the parser refuses: %s', async (_, tree, reason) => {
    expect((await attempt(tree)).error).toMatchObject({ message: expect.stringContaining(reason) as unknown })
  })

  it('hands on what the contents throw, and lets go of the directories that are open', async () => {
    let released = 0
    async function* entries(node: FileTree): AsyncGenerator<FileTreeEntry> {
      try {
        yield { name: 'a', node }
        yield { name: 'b', node: link }
      } finally {
        released++
      }
    }
    const broken: FileTree = { type: 'regular', executable: false, sizeBytes: 2, contents: failing() }
    const inner: FileTree = { type: 'directory', entries: entries(broken) }
    const { error } = await attempt({ type: 'directory', entries: entries(inner) })
    expect(error).toMatchObject({ message: 'gone' })
    expect(released).toBe(2)
  })

  it('holds one buffer of a file, and asks for no more than is read', async () => {
    let asked = 0
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        asked++
        yield new Uint8Array(64 * 1024)
      }
    }
    const tree: FileTree = { type: 'regular', executable: false, sizeBytes: 2 ** 35, contents: endless() }
    for await (const piece of writeNar(tree)) if (piece.byteLength > 0) break
    expect(asked).toBeLessThanOrEqual(5)
  })
})

describeWith('nix', 'the archive writer beside Nix', () => {
  it('writes real trees bit for bit as Nix does', async () => {
    await using dir = await tempDir('tree')
    const root = dir.join('root')
    await plant(root)
    expect(await ours(root)).toEqual(await theirs(root))
  })

  it.each(Array.from({ length: 18 }, (_, sizeBytes) => sizeBytes))(
    'writes files of %i bytes as Nix does',
    async (sizeBytes) => {
      await using dir = await tempDir('file')
      await writeFile(dir.join('file'), Buffer.alloc(sizeBytes, 0xff))
      expect(await ours(dir.join('file'))).toEqual(await theirs(dir.join('file')))
      await chmod(dir.join('file'), 0o755)
      expect(await ours(dir.join('file'))).toEqual(await theirs(dir.join('file')))
    },
  )

  it('writes a large file and a deep tree as Nix does', async () => {
    await using dir = await tempDir('large')
    const deep = dir.join('root', ...Array.from({ length: 60 }, (_, level) => `level ${level}`))
    await mkdir(deep, { recursive: true })
    await writeFile(path.join(deep, 'large'), Buffer.alloc(3_000_001, 'large '))
    expect((await ours(dir.join('root'))).equals(await theirs(dir.join('root')))).toBe(true)
  })
})

/** Everything that is awkward in one tree. */
async function plant(root: string): Promise<void> {
  await mkdir(path.join(root, 'empty'), { recursive: true })
  await mkdir(path.join(root, 'Bin'))
  await mkdir(path.join(root, 'bin'))
  await writeFile(path.join(root, 'bin', 'run'), '#!/bin/sh\n', { mode: 0o755 })
  await writeFile(path.join(root, 'bin', 'only others may run'), 'x', { mode: 0o655 })
  await writeFile(path.join(root, 'README'), 'capital')
  await writeFile(path.join(root, 'readme'), 'small')
  for (const name of [
    'a',
    'a-',
    'a.',
    'a b',
    'aB',
    'ab',
    'é',
    'e\u0301',
    '\u{ff5e}',
    '\u{1f600}',
    '.hidden',
    '...',
    'n'.repeat(255),
  ])
    await writeFile(path.join(root, name), name)
  await writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.of(0xff, 0xfe)]), 'no UTF-8')
  await symlink('../elsewhere', path.join(root, 'link'))
  await symlink(Buffer.of(0x80, 0x2f, 0xff), path.join(root, 'odd link'))
  await symlink('t'.repeat(4095), path.join(root, 'long link'))
}

async function ours(file: string): Promise<Buffer> {
  return collect(writeNar(await treeOf(Buffer.from(file))))
}

async function theirs(file: string): Promise<Buffer> {
  const args = ['--extra-experimental-features', 'nix-command', 'nar', 'dump-path', file]
  return (await dump(have.paths.nix, args, { encoding: 'buffer', maxBuffer: 2 ** 26 })).stdout
}

function folder(...entries: FileTreeEntry[]): FileTree {
  return { type: 'directory', entries }
}

async function* each(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces
}

async function* failing(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(1)
  throw new DepotError('STORAGE_DOWN', 'gone')
}

/** Bytes that came before the writer threw, and what. */
async function attempt(tree: FileTree): Promise<{ written: Buffer; error: unknown }> {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of writeNar(tree)) pieces.push(Uint8Array.from(piece))
  } catch (error) {
    return { written: Buffer.concat(pieces), error }
  }
  return { written: Buffer.concat(pieces), error: undefined }
}
