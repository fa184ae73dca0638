import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { appendFile, chmod, mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import { describe, expect, it } from 'vitest'

import { writeNar } from '../../../protocols/nix/nar-writer.ts'
import type { FileTree } from '../../../src/file-tree.ts'
import { openTree } from '../../../storage/nix-store/tree.ts'
import { collect } from '../../helpers/depot.ts'
import { treeOf } from '../../helpers/nar-tree.ts'
import { tempDir, type TempDir } from '../../helpers/temp-dir.ts'

const LARGE = Buffer.alloc(3_000_001, 'large ')

async function fill(dir: TempDir): Promise<string> {
  const folder = dir.join('tree')
  await mkdir(path.join(folder, 'sub/deep'), { recursive: true })
  await writeFile(path.join(folder, 'sub/deep/small'), 'small')
  await writeFile(path.join(folder, 'sub/empty'), '')
  await writeFile(path.join(folder, 'large'), LARGE)
  await writeFile(path.join(folder, 'program'), '#!/bin/sh')
  await chmod(path.join(folder, 'program'), 0o555)
  await symlink('../../../../etc/passwd', path.join(folder, 'way out'))
  for (const name of [Buffer.from([0xff, 0x41]), Buffer.from('é'), Buffer.from('Z')])
    await writeFile(Buffer.concat([Buffer.from(`${folder}/`), name]), name)
  for (let index = 0; index < 200; index++) await writeFile(path.join(folder, `sub/${index}`), String(index))
  return folder
}

function treeAt(dir: TempDir): FileTree {
  const tree = openTree(dir.path, 'tree')
  if (tree === undefined) throw new Error('no tree')
  return tree
}

const descriptors = (): number => readdirSync('/proc/self/fd').length

describe('the files of a path', () => {
  it('come as they are, in the order of their bytes, with no link followed', async () => {
    await using dir = await tempDir()
    const folder = await fill(dir)
    const expected = await collect(writeNar(await treeOf(Buffer.from(folder))))
    expect((await collect(writeNar(treeAt(dir)))).equals(expected)).toBe(true)
    await rm(folder, { recursive: true })
    await symlink('/etc/passwd', folder)
    expect(treeAt(dir)).toEqual({ type: 'symlink', target: Buffer.from('/etc/passwd') })
    await rm(folder)
    expect(openTree(dir.path, 'tree')).toBeUndefined()
  })

  it.each<[string, string, (file: string) => Promise<unknown>]>([
    ['a folder that became a link', 'sub', (file) => replaced(file, '/etc')],
    ['a folder that became a file', 'sub', (file) => becomeFile(file)],
    ['a folder that went', 'sub', (file) => rm(file, { recursive: true })],
    ['a small file that became a link', 'program', (file) => replaced(file, '/etc/passwd')],
    ['a large file that became a link', 'large', (file) => replaced(file, '/etc/passwd')],
    ['a file that became a folder', 'program', (file) => becomeFolder(file)],
    ['a file that became a pipe', 'program', (file) => becomePipe(file)],
    ['a file that grew', 'large', (file) => appendFile(file, 'x')],
    ['a file that shrank', 'large', (file) => truncate(file, 2_000_000)],
    ['a small file that grew', 'program', (file) => appendFile(file, 'x')],
    ['a file that went', 'program', (file) => rm(file)],
  ])('end in an error at %s, and leave nothing open', async (_, name, change) => {
    await using dir = await tempDir()
    const folder = await fill(dir)
    await chmod(path.join(folder, 'program'), 0o755)
    const before = descriptors()
    const changing = changingTree(treeAt(dir), name, () => change(path.join(folder, name)))
    await expect(collect(writeNar(changing))).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' })
    expect(descriptors()).toBe(before)
  })

  it('are refused when one is neither a file nor a folder nor a link', async () => {
    await using dir = await tempDir()
    const folder = await fill(dir)
    await becomePipe(path.join(folder, 'program'))
    await expect(collect(writeNar(treeAt(dir)))).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' })
  })

  it('are closed when nobody reads on', async () => {
    await using dir = await tempDir()
    await fill(dir)
    const before = descriptors()
    for await (const piece of writeNar(treeAt(dir))) {
      expect(descriptors()).toBeGreaterThan(before)
      expect(piece.byteLength).toBeGreaterThan(0)
      break
    }
    expect(descriptors()).toBe(before)
  })

  it('stay those that were opened when a folder is moved and another one put in its place', async () => {
    await using dir = await tempDir()
    const folder = await fill(dir)
    const expected = createHash('sha256')
      .update(await collect(writeNar(treeAt(dir))))
      .digest('hex')
    const hash = createHash('sha256')
    let moved = false
    for await (const piece of writeNar(treeAt(dir))) {
      hash.update(piece)
      if (moved) continue
      moved = true
      await rename(folder, dir.join('moved'))
      await symlink('/etc', folder)
    }
    expect(hash.digest('hex')).toBe(expected)
  })

  it('have a plain name', async () => {
    await using dir = await tempDir()
    for (const name of ['a/b', '..', '.', '.links', '/etc/passwd'])
      expect(() => openTree(dir.path, name)).toThrow('base name')
  })
})

async function replaced(file: string, target: string): Promise<void> {
  await rm(file, { recursive: true })
  await symlink(target, file)
}

async function becomeFolder(file: string): Promise<void> {
  await rm(file)
  await mkdir(file)
}

async function becomeFile(file: string): Promise<void> {
  await rm(file, { recursive: true })
  await writeFile(file, 'x')
}

async function becomePipe(file: string): Promise<void> {
  await rm(file)
  await promisify(execFile)('mkfifo', [file])
}

/** The same tree, where something happens after the entry of that name was looked at and before it is opened. */
function changingTree(tree: FileTree, name: string, change: () => Promise<unknown>): FileTree {
  if (tree.type !== 'directory') throw new Error('no folder')
  const { entries } = tree
  async function* changing() {
    for await (const entry of entries) {
      if (Buffer.from(entry.name).toString() === name) await change()
      yield entry
    }
  }
  return { type: 'directory', entries: changing() }
}
