import { link, lstat, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { readTree, writeTree, type Tree } from '../../helpers/bundles.ts'
import { runDepot, type Finished } from '../../helpers/run-depot.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const ANYBODY = '--allow-unsigned'
const TREE: Tree = {
  'npm/greeting/greeting-1.0.0.tgz': 'x'.repeat(3000),
  'npm/greeting/metadata.json': '{"name":"greeting"}',
}
const CONTROL = /\p{Cc}|\p{Cf}/u

/** What was saved, a disk that somebody had in hands, and what lies outside of it. */
async function carriedWorld(tree: Tree = TREE) {
  const dir = await tempDir('hostile')
  await writeTree(dir.join('saved'), tree)
  await mkdir(dir.join('disk'))
  await writeTree(dir.join('outside'), { mine: 'mine' })
  const bundle = (...args: readonly string[]): Promise<Finished> => runDepot(['bundle', ...args])
  return {
    dir,
    bundle,
    create: (target: string, ...more: readonly string[]) =>
      bundle('create', `${dir.path}/disk/${target}`, '--dir', dir.join('saved'), ...more),
    outside: () => readTree(dir.join('outside')),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  }
}

const UNTOUCHED = { mine: Buffer.from('mine').toString('base64') }

describe('a bundle on a disk that somebody prepared', () => {
  it.each(['symlink', 'link'] as const)('is written through no %s in the place of an unfinished one', async (kind) => {
    await using world = await carriedWorld()
    const { dir, create, bundle } = world
    const put = kind === 'link' ? link : symlink
    await put(dir.join('outside', 'mine'), dir.join('disk', 'carry.tar.partial'))
    await put(dir.join('outside', 'mine'), dir.join('disk', 'split.tar.002.partial'))
    for (const made of [await create('carry.tar'), await create('split.tar', '--split', '2K')])
      expect(made).toMatchObject({ status: 0 })
    expect(await world.outside()).toEqual(UNTOUCHED)
    for (const name of ['carry.tar', 'split.tar'])
      expect(await bundle('verify', dir.join('disk', name), ANYBODY)).toMatchObject({ status: 0 })
  })

  it.each(['blobs', 'blobs/sha256'])('removes nothing behind a link in the place of %s', async (place) => {
    await using world = await carriedWorld()
    const { dir } = world
    await mkdir(dir.join('outside', 'sha256'))
    await writeFile(dir.join('outside', 'sha256', 'mine'), 'mine')
    const before = await world.outside()
    const at = path.join(dir.join('disk'), place)
    await mkdir(path.dirname(at), { recursive: true })
    await symlink(dir.join('outside'), at)
    expect(await world.create('')).toMatchObject({ status: 1, stderr: expect.stringContaining('is a link') })
    expect(await world.outside()).toEqual(before)
  })

  it.each([
    ['', 'manifest.json', []],
    ['', 'manifest.json.sig', []],
    ['carry.tar', 'carry.tar.007', ['--split', '1K']],
    ['carry.tar', 'carry.tar.partial', []],
  ])('says so when %j is to be made and %s is a folder', async (target, folder, flags) => {
    await using world = await carriedWorld()
    await mkdir(world.dir.join('disk', folder, 'more'), { recursive: true })
    const { status, stderr } = await world.create(target, ...flags)
    expect([status, stderr]).toEqual([1, expect.stringContaining(`${folder} is a folder`)])
  })

  it('is whole or refused when two are written under one name at once', async () => {
    await using world = await carriedWorld()
    const { dir, bundle } = world
    for (const name of ['a', 'b', 'c'])
      await writeTree(dir.join(name), { 'npm/x/x-1.0.0.tgz': Buffer.alloc(20_000_000, name) })
    const target = dir.join('disk', 'carry.tar')
    const made = await Promise.all(
      ['a', 'b', 'c'].map((name) => bundle('create', target, '--dir', dir.join(name), '--split', '3M')),
    )
    for (const { status, stderr } of made) if (status !== 0) expect(stderr).not.toContain('a bug')
    expect(made.filter(({ status }) => status === 0).length).toBeLessThan(2)
    const last = await bundle('create', target, '--dir', dir.join('a'), '--split', '3M')
    expect(last.status === 0 || last.stderr.includes('is there already')).toBe(true)
    expect(await bundle('verify', target, ANYBODY)).toMatchObject({ status: 0 })
    expect((await readdir(dir.join('disk'))).filter((name) => name.endsWith('.partial'))).toEqual([])
  })
})

describe('a folder that a bundle is unpacked into', () => {
  it('has no link in the place of an ecosystem', async () => {
    await using world = await carriedWorld()
    const { dir, create, bundle } = world
    await create('carry.tar')
    await mkdir(dir.join('out'))
    await symlink(dir.join('outside'), dir.join('out', 'npm'))
    const brought = await bundle('import', dir.join('disk', 'carry.tar'), ANYBODY, '--dir', dir.join('out'))
    expect(brought).toMatchObject({ status: 1, stderr: expect.stringContaining('npm is a link') })
    expect(await world.outside()).toEqual(UNTOUCHED)
  })

  it('is filled by one of two imports at once, and the other says so', async () => {
    await using world = await carriedWorld()
    const { dir, create, bundle } = world
    await create('carry.tar')
    const bring = () => bundle('import', dir.join('disk', 'carry.tar'), ANYBODY, '--dir', dir.join('out'))
    const brought = await Promise.all([bring(), bring(), bring()])
    for (const { status, stderr } of brought) if (status !== 0) expect(stderr).toContain('another depot command')
    expect((await bring()).status).toBe(0)
    expect(await readTree(dir.join('out'))).toEqual(await readTree(dir.join('saved')))
  })
})

describe('what was saved, with things that no bundle carries', () => {
  it.each([
    ['a link', (at: string) => symlink('metadata.json', at)],
    ['a link to a folder', (at: string) => symlink('.', at)],
  ])('is not taken for whole with %s in it', async (_what, put) => {
    await using world = await carriedWorld()
    await put(world.dir.join('saved', 'npm', 'greeting', 'more.tgz'))
    expect(await world.create('carry.tar')).toMatchObject({ status: 1, stderr: expect.stringContaining('more.tgz') })
    expect(await readdir(world.dir.join('disk'))).toEqual([])
  })

  it('is not taken for whole with a name that is no text', async () => {
    await using world = await carriedWorld()
    const folder = Buffer.from(`${world.dir.join('saved', 'npm', 'greeting')}/`)
    await writeFile(Buffer.concat([folder, Buffer.from([0xff, 0x2e, 0x74, 0x67, 0x7a])]), 'x')
    expect(await world.create('carry.tar')).toMatchObject({ status: 1, stderr: expect.stringContaining('.tgz') })
  })
})

describe('what is told of a hostile bundle', () => {
  it('has no control characters, wherever they stood', async () => {
    await using world = await carriedWorld()
    const { dir, bundle, create } = world
    const evil = '\u001b[2J\u009b2J\u202e\nfake'
    const head = '{"format":"depot-bundle/1","created":"2026-01-31T12:00:00Z","files":['
    const file = JSON.stringify({ path: `npm/x/${evil}`, sha256: 'a'.repeat(64), sizeBytes: 1 })
    const told: Finished[] = []
    for (const [name, line] of Object.entries({ a: `\u001b[2J${file}`, b: file, c: '' })) {
      const lines = [head, ...(line === '' ? [] : [line]), ']}', '']
      await writeTree(dir.join(name), { 'manifest.json': lines.join('\n'), [`blobs/sha256/${evil}`]: '' })
      const place = dir.join(name)
      for (const args of [['verify'], ['list'], ['import', '--dir', dir.join('out')]])
        told.push(await bundle(...args.slice(0, 1), place, ...(args[0] === 'list' ? [] : [ANYBODY]), ...args.slice(1)))
    }
    await writeFile(dir.join('saved', 'npm', `lock-${evil}`), '')
    told.push(await create('carry.tar'))
    for (const { stdout, stderr } of told) {
      const lines = (stdout + stderr).split('\n')
      expect(lines.filter((line) => CONTROL.test(line) || line.startsWith('fake'))).toEqual([])
    }
    expect((await lstat(dir.join('disk'))).isDirectory()).toBe(true)
  })
})
