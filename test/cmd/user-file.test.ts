import { chmod, lstat, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'

import { describe, expect, it } from 'vitest'

import { asBytes, asText, editUserFile, readUserFile } from '../../cmd/user-file.ts'
import { LIMITS } from '../../src/limits.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const secret = { secret: true }

describe('editUserFile', () => {
  it('keeps bytes that are no UTF-8, and the mode, and leaves nothing beside the file', async () => {
    await using dir = await tempDir()
    const file = dir.join('f')
    await writeFile(file, Buffer.from([0xff, 0x0d, 0x0a, 0xc3]))
    await chmod(file, 0o640)
    await editUserFile(file, (text) => `${text}a`, { secret: false })
    expect(await readFile(file)).toEqual(Buffer.from([0xff, 0x0d, 0x0a, 0xc3, 0x61]))
    expect((await stat(file)).mode & 0o777).toBe(0o640)
    expect(await readdir(dir.path)).toEqual(['f'])
  })

  it('closes a file that gets a secret to all others, in folders of its own', async () => {
    await using dir = await tempDir()
    await editUserFile(dir.join('a/b/new'), () => 'x', secret)
    expect((await stat(dir.join('a/b/new'))).mode & 0o777).toBe(0o600)
    expect((await stat(dir.join('a/b'))).mode & 0o777).toBe(0o700)
    await chmod(dir.join('a/b/new'), 0o644)
    await editUserFile(dir.join('a/b/new'), (text) => text, secret)
    expect((await stat(dir.join('a/b/new'))).mode & 0o777).toBe(0o600)
  })

  it('does not write when nothing changes, and makes no file for nothing', async () => {
    await using dir = await tempDir()
    await writeFile(dir.join('f'), 'a')
    const { ino } = await stat(dir.join('f'))
    await editUserFile(dir.join('f'), (text) => text, { secret: false })
    await editUserFile(dir.join('g'), (text) => text, { secret: false })
    expect((await stat(dir.join('f'))).ino).toBe(ino)
    expect(await readdir(dir.path)).toEqual(['f'])
  })

  it('writes through links, also to where nothing is yet', async () => {
    await using dir = await tempDir()
    await symlink('real', dir.join('link'))
    await symlink('link', dir.join('second'))
    await editUserFile(dir.join('second'), () => 'x', secret)
    expect(await readFile(dir.join('real'), 'utf8')).toBe('x')
    expect((await lstat(dir.join('link'))).isSymbolicLink()).toBe(true)
    await symlink('round', dir.join('round'))
    await expect(editUserFile(dir.join('round'), () => 'x', secret)).rejects.toThrow(
      `cannot write ${dir.join('round')}`,
    )
  })

  it('lets only one at a time change a file', async () => {
    await using dir = await tempDir()
    const file = dir.join('count')
    const add = (text: string): string => String(Number(text) + 1)
    await Promise.all(Array.from({ length: 20 }, () => editUserFile(file, add, secret)))
    expect(await readUserFile(file)).toBe('20')
    expect(await readdir(dir.path)).toEqual(['count'])
  })

  it('leaves the file as it is when the edit fails, and unlocks it', async () => {
    await using dir = await tempDir()
    await writeFile(dir.join('f'), 'a')
    const broken = editUserFile(dir.join('f'), () => JSON.parse('{') as string, secret)
    await expect(broken).rejects.toThrow(`cannot write ${dir.join('f')}`)
    expect(await readdir(dir.path)).toEqual(['f'])
    expect(await readUserFile(dir.join('f'))).toBe('a')
  })

  it('puts nothing in the place of what is no file', async () => {
    await using dir = await tempDir()
    await symlink('/dev/null', dir.join('null'))
    await expect(editUserFile(dir.join('null'), () => 'x', secret)).rejects.toMatchObject({
      cause: { message: 'it is not a regular file' },
    })
    expect((await stat('/dev/null')).isCharacterDevice()).toBe(true)
  })

  it('names a file that is a folder, or too large', async () => {
    await using dir = await tempDir()
    await expect(readUserFile(dir.path)).rejects.toThrow(`cannot read ${dir.path}`)
    await writeFile(dir.join('large'), Buffer.alloc(LIMITS.userFileBytesMax + 1))
    await expect(readUserFile(dir.join('large'))).rejects.toThrow(`cannot read ${dir.join('large')}`)
  })
})

describe('asBytes', () => {
  it('is undone by asText', () => {
    expect(asBytes('é')).toBe('\xc3\xa9')
    expect(asText(asBytes('grüße 🙂'))).toBe('grüße 🙂')
  })
})
