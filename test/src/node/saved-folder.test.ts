import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { link, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import { describe, expect, it } from 'vitest'

import { savedBelow, savedText, type SavedFiles } from '../../../src/client/saved-files.ts'
import { savedFiles } from '../../../src/node/saved-files.ts'
import { openSavedFolder } from '../../../src/node/saved-folder.ts'
import { describeWith } from '../../helpers/have.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const HELLO_SHA256 = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'

async function pathsOf(files: SavedFiles, folder?: string): Promise<string[]> {
  return (await Array.fromAsync(files.list(folder))).map((file) => file.path)
}

describe('a saved folder', () => {
  it('has what was written to it, and nothing else', async () => {
    await using dir = await tempDir()
    {
      await using folder = await openSavedFolder(dir.join('a', 'b'))
      await folder.write('express/metadata.json', '{}')
      await folder.write('express/metadata.json', '{"name":"express"}')
      expect(await pathsOf(folder)).toEqual(['express/metadata.json'])
    }
    expect(await readdir(dir.join('a', 'b'), { recursive: true })).toEqual(['express', 'express/metadata.json'])
    const files = savedFiles(dir.join('a', 'b'))
    const file = await files.find('express/metadata.json')
    expect(file && (await savedText(file, 100))).toBe('{"name":"express"}')
    expect(await files.find('express')).toBeUndefined()
    expect(await files.find('express/metadata.json/x')).toBeUndefined()
  })

  it('lists its files by the bytes of their paths, of one folder too', async () => {
    await using dir = await tempDir()
    await using folder = await openSavedFolder(dir.path)
    const paths = ['realisations/sha256:ab!out.doi', 'a-b/x', 'a/z', 'a/é', 'a0', '@s/p/@s/p-1.0.0.tgz', 'A/b']
    for (const at of paths) await folder.write(at, at)
    const sorted = paths.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    expect(await pathsOf(folder)).toEqual(sorted)
    expect(await pathsOf(folder, 'a')).toEqual(['a/z', 'a/é'])
    expect(await pathsOf(savedBelow(folder, 'a'))).toEqual(['z', 'é'])
    expect((await savedBelow(folder, '@s').find('p/@s/p-1.0.0.tgz'))?.path).toBe('p/@s/p-1.0.0.tgz')
    expect(await pathsOf(folder, 'nothing')).toEqual([])
  })

  it('shows a large file once it is published, and goes on with one that was left', async () => {
    await using dir = await tempDir()
    {
      await using folder = await openSavedFolder(dir.path)
      await using receiving = await folder.receive('big', ['sha256'])
      await receiving.write(Buffer.from('hel'))
      expect(await folder.find('big')).toBeUndefined()
    }
    await using folder = await openSavedFolder(dir.path)
    await using receiving = await folder.receive('big', ['sha256', 'sha1'])
    expect(receiving.sizeBytes).toBe(3)
    await receiving.write(Buffer.from('lo'))
    expect(receiving.hashes()).toMatchObject({ sha256: HELLO_SHA256 })
    await receiving.publish()
    expect(await readFile(dir.join('big'), 'utf8')).toBe('hello')
    expect(await folder.hash('big', ['sha256'])).toEqual({ sha256: HELLO_SHA256 })
  })

  it('starts a file again when what is there is of no use', async () => {
    await using dir = await tempDir()
    await using folder = await openSavedFolder(dir.path)
    await using receiving = await folder.receive('big', ['sha256'])
    await receiving.write(Buffer.from('wrong and long'))
    await receiving.restart()
    await receiving.write(Buffer.from('hello'))
    await receiving.publish()
    expect(receiving.hashes()).toEqual({ sha256: HELLO_SHA256 })
    expect(await readFile(dir.join('big'), 'utf8')).toBe('hello')
  })

  it('follows no link and reads no pipe that somebody put there', async () => {
    await using dir = await tempDir()
    await mkdir(dir.join('outside'))
    await writeFile(dir.join('outside', 'secret'), 'secret')
    await mkdir(dir.join('in'))
    await symlink(dir.join('outside', 'secret'), dir.join('in', 'file'))
    await symlink(dir.join('outside'), dir.join('in', 'folder'))
    execFileSync('mkfifo', [dir.join('in', 'pipe')])
    const files = savedFiles(dir.join('in'))
    expect(await pathsOf(files)).toEqual([])
    expect(await files.find('file')).toBeUndefined()
    expect(await files.find('folder/secret')).toBeUndefined()
    expect(await files.find('pipe')).toBeUndefined()
  })

  it('writes nothing through a link that somebody put in the place of one of its folders', async () => {
    await using dir = await tempDir()
    await mkdir(dir.join('outside'))
    await using folder = await openSavedFolder(dir.join('in'))
    await symlink(dir.join('outside'), dir.join('in', 'express'))
    await expect(folder.write('express/metadata.json', '{}')).rejects.toThrow(/express/)
    expect(await readdir(dir.join('outside'))).toEqual([])
  })

  it('makes no folder, and removes nothing, behind a link in the place of one of its folders', async () => {
    await using dir = await tempDir()
    await mkdir(dir.join('outside'))
    await writeFile(dir.join('outside', 'mine'), 'mine')
    await using folder = await openSavedFolder(dir.join('in'))
    await symlink(dir.join('outside'), dir.join('in', '@scope'))
    await expect(folder.write('@scope/p/metadata.json', '{}')).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(folder.remove('@scope/mine')).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await readdir(dir.join('outside'))).toEqual(['mine'])
  })

  it.each(['folder', 'symbolic link', 'hard link', 'pipe', 'directory'] as const)(
    'writes to nothing but its own where unfinished files wait, when a %s lies there',
    { timeout: 10_000 },
    async (what) => {
      await using dir = await tempDir()
      const partial = dir.join('in', '.partial')
      const place = path.join(partial, createHash('sha256').update('file').digest('hex'))
      await mkdir(dir.join('outside'))
      await writeFile(dir.join('outside', 'mine'), 'mine')
      await mkdir(what === 'folder' ? dir.join('in') : partial, { recursive: true })
      if (what === 'folder') await symlink(dir.join('outside'), partial)
      if (what === 'symbolic link') await symlink(dir.join('outside', 'mine'), place)
      if (what === 'hard link') await link(dir.join('outside', 'mine'), place)
      if (what === 'pipe') execFileSync('mkfifo', [place])
      if (what === 'directory') await mkdir(path.join(place, 'more'), { recursive: true })
      await using folder = await openSavedFolder(dir.join('in'))
      await using receiving = await folder.receive('file', ['sha256'])
      await receiving.restart()
      await receiving.write(Buffer.from('hello'))
      expect(await readdir(dir.join('outside'))).toEqual(['mine'])
      await receiving.publish()
      await folder.write('file', 'again')
      expect(await readFile(dir.join('in', 'file'), 'utf8')).toBe('again')
      expect(await readdir(dir.join('outside'))).toEqual(['mine'])
      expect(await readFile(dir.join('outside', 'mine'), 'utf8')).toBe('mine')
    },
  )

  it.each([
    '',
    '/etc/passwd',
    '../x',
    'a/../b',
    'a//b',
    'a/',
    './a',
    '.lock',
    'a/.partial',
    'a\0b',
    'a\\b',
    'C:x',
    'sha256:.x',
    'sha256:C:x',
    'a\nb',
    'x'.repeat(256),
    '\ud800',
  ])('takes %j for no path', async (at) => {
    await using dir = await tempDir()
    await using folder = await openSavedFolder(dir.path)
    await expect(folder.write(at, 'x')).rejects.toThrow('is no path of a saved file')
    await expect(folder.receive(at, [])).rejects.toThrow('is no path of a saved file')
  })

  it('is filled by one process at a time, and freed by one that was killed', async () => {
    await using dir = await tempDir()
    const module = path.join(import.meta.dirname, '..', '..', '..', 'src', 'node', 'saved-folder.ts')
    const script = `const { openSavedFolder } = await import(${JSON.stringify(module)}); await openSavedFolder(${JSON.stringify(dir.path)}); console.log('open'); setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    await expect(openSavedFolder(dir.path)).rejects.toMatchObject({ code: 'CONFLICT' })
    child.kill('SIGKILL')
    await once(child, 'exit')
    const opened = await Promise.allSettled(Array.from({ length: 8 }, () => openSavedFolder(dir.path)))
    const folders = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    expect(folders).toHaveLength(1)
    for (const folder of folders) await folder[Symbol.asyncDispose]()
    expect(await readdir(dir.path)).toEqual([])
  })
})

describeWith('tmpfs', 'a saved folder on a full disk', () => {
  it('says so, and shows nothing that is cut', async () => {
    await using dir = await tempDir()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', dir.path])
    try {
      await using folder = await openSavedFolder(dir.path)
      await expect(folder.write('a/file', Buffer.alloc(1 << 20))).rejects.toMatchObject({ code: 'STORAGE_FULL' })
      expect(await pathsOf(folder)).toEqual([])
    } finally {
      execFileSync('umount', ['-l', dir.path])
    }
  })
})
