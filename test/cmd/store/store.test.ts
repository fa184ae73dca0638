import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'

import { describe, expect, it } from 'vitest'

import { blobLocation } from '../../../src/blobs/blob-location.ts'
import { lockWork } from '../../../src/node/folder-lock.ts'
import { servesFile, uploadFile } from '../../helpers/python-upload.ts'
import { runDepot, type Finished } from '../../helpers/run-depot.ts'
import { startServerProcess, type ServerProcess } from '../../helpers/server-process.ts'
import { filesIn } from '../../helpers/several-stores.ts'
import { tempDir, type TempDir } from '../../helpers/temp-dir.ts'
import { buildWheel, type BuiltFile } from '../../helpers/wheel.ts'

async function configure(dir: TempDir, stores: Readonly<Record<string, string>>): Promise<string> {
  const tables = Object.entries(stores).map(
    ([name, more]) => `[[stores]]\nname = "${name}"\ntype = "fs"\npath = "${dir.join(name)}"\n${more}\n`,
  )
  const file = dir.join('depot.toml')
  await writeFile(file, `store-path = "${dir.join('data')}"\n${tables.join('')}`)
  return file
}

function start(dir: TempDir, config: string): Promise<ServerProcess> {
  return startServerProcess({ dataDir: dir.join('data'), args: ['--config', config] })
}

async function upload(server: ServerProcess, version: string): Promise<BuiltFile> {
  const file = buildWheel({ name: 'stored', version })
  expect(await uploadFile(server.url, file)).toBe(200)
  return file
}

async function ready(server: ServerProcess): Promise<[number, string]> {
  const response = await fetch(`${server.url}/readyz`)
  return [response.status, await response.text()]
}

describe('depot store list', () => {
  it('tells of each store what it is, what is in it and how it is, beside a server', async () => {
    await using dir = await tempDir('store')
    const config = await configure(dir, { warm: '', cold: '', old: 'read-only = true' })
    await using server = await start(dir, config)
    await upload(server, '1.0')
    const listed = await runDepot(['store', 'list', '--json', '--config', config])
    expect(listed.status).toBe(0)
    const [warm, cold, old] = listed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(warm).toMatchObject({ name: 'warm', type: 'fs', where: dir.join('warm'), blobs: 2, state: 'ok' })
    expect(warm?.['bytes']).toBeGreaterThan(0)
    expect(warm?.['freeBytes']).toBeGreaterThan(0)
    expect(cold).toMatchObject({ name: 'cold', blobs: 0, bytes: 0, state: 'ok' })
    expect(old).toMatchObject({ name: 'old', state: 'read-only' })

    await rename(dir.join('warm'), dir.join('away'))
    const { status, stdout } = await runDepot(['store', 'list', '--config', config])
    expect(status).toBe(1)
    expect(stdout).toMatch(
      /^name +type +where +blobs +bytes +free +state\nwarm +fs .* 2 .* - +down\ncold .* ok\nold .* read-only\n$/,
    )
  })

  it('does not call a store down that no server has opened yet', async () => {
    await using dir = await tempDir('store')
    await (await start(dir, await configure(dir, { old: '' }))).stop()
    const config = await configure(dir, { old: '', next: '', broken: '' })
    const listed = (): Promise<string[]> =>
      runDepot(['store', 'list', '--config', config]).then(({ status, stdout }) => [
        String(status),
        ...stdout.matchAll(/ (\w+)$/gm).map(([, state]) => String(state)),
      ])
    expect(await listed()).toEqual(['0', 'state', 'ok', 'new', 'new'])
    writeFileSync(dir.join('broken'), 'a file')
    expect(await listed()).toEqual(['1', 'state', 'ok', 'new', 'down'])
  })

  it('lists the one store of a depot that names none, and says when there is no depot', async () => {
    await using dir = await tempDir('store')
    await using server = await startServerProcess({ dataDir: dir.join('data') })
    await upload(server, '1.0')
    const { stdout } = await runDepot(['store', 'list', '--store-path', dir.join('data')])
    expect(stdout.split('\n')[1]).toMatch(/^- +fs +\/.*\/data\/blobs +2 .* ok$/)
    const none = await runDepot(['store', 'list', '--store-path', dir.join('mistyped')])
    expect([none.status, none.stderr]).toEqual([1, expect.stringContaining('--store-path')])
  })
})

describe('a server with several stores', () => {
  it('is ready while one of them can be written to, and says which is down', async () => {
    await using dir = await tempDir('store')
    const config = await configure(dir, { warm: '', cold: '' })
    await using server = await start(dir, config)
    const file = await upload(server, '1.0')
    expect(await ready(server)).toEqual([200, 'ready\n'])
    await rename(dir.join('warm'), dir.join('away'))
    await expect.poll(() => ready(server)).toEqual([200, 'ready\nstore warm: down\n'])
    expect((await fetch(`${server.url}/python/files/stored/${file.filename}`)).status).toBe(503)
    const later = await upload(server, '2.0')
    expect(filesIn(dir.join('cold'))).toContain(later.sha256)
    await rename(dir.join('cold'), dir.join('cold-away'))
    const none = [503, 'not ready\nstore warm: down\nstore cold: down\n']
    await expect.poll(() => ready(server)).toEqual(none)
    await expect.poll(() => server.logs()).toContain('"store":"warm","code":"STORAGE_DOWN"')
  })

  it('and several processes stores each content once, and reads from every one of them', async () => {
    await using dir = await tempDir('store')
    const config = await configure(dir, { warm: '', cold: '' })
    const args = ['--config', config, '--workers', '2', '--placement', 'round-robin']
    await using server = await startServerProcess({ dataDir: dir.join('data'), args })
    const versions = Array.from({ length: 8 }, (_, index) => `${index}.0`)
    const files = await Promise.all(versions.map((version) => upload(server, version)))
    expect(await Promise.all(versions.map((version) => upload(server, version)))).toHaveLength(8)
    for (const file of files) expect(await servesFile(server.url, 'stored', file)).toBe(true)
    const stored = ['warm', 'cold'].flatMap((name) => filesIn(dir.join(name)))
    expect(stored.filter((digest) => files.some(({ sha256 }) => sha256 === digest))).toHaveLength(8)
    for (const name of ['warm', 'cold']) expect(filesIn(dir.join(name)).length).toBeGreaterThan(2)
  })

  it('does not start, and says why in one line, without a store in which blobs lie', async () => {
    await using dir = await tempDir('store')
    {
      await using server = await start(dir, await configure(dir, { warm: '' }))
      await upload(server, '1.0')
    }
    const config = await configure(dir, { cold: '' })
    for (const command of ['serve', 'fsck']) {
      const { status, stderr } = await runDepot([command, '--config', config])
      expect([status, stderr.trim().split('\n').at(-1)]).toEqual([
        1,
        "depot: 2 blobs lie in the store 'warm', which the configuration does not have: put it back into [[stores]] of depot.toml",
      ])
    }
  })
})

describe('depot store move', () => {
  it('empties a store under a running server, names what it cannot move, and goes on the next time', async () => {
    await using dir = await tempDir('store')
    const files: BuiltFile[] = []
    {
      await using server = await start(dir, await configure(dir, { old: '', new: '' }))
      for (const version of ['1.0', '2.0', '3.0']) files.push(await upload(server, version))
    }
    const config = await configure(dir, { old: 'read-only = true', new: '' })
    await using server = await start(dir, config)
    const [damaged] = files as [BuiltFile]
    const at = dir.join('old', blobLocation('main', damaged.sha256))
    chmodSync(at, 0o600)
    writeFileSync(at, Buffer.alloc(damaged.bytes.byteLength))
    const first = await runDepot(['store', 'move', 'old', 'new', '--config', config])
    expect([first.status, first.stdout]).toEqual([
      1,
      expect.stringMatching(/^5 blobs \(.*\) moved from old to new, 1 stay in old\n$/),
    ])
    expect(first.stderr).toContain(`main/${damaged.sha256} stays in old: its bytes are not what was stored`)
    writeFileSync(at, damaged.bytes)
    const second = await runDepot(['store', 'move', 'old', 'new', '--config', config])
    expect([second.status, second.stdout]).toEqual([0, expect.stringMatching(/^1 blob \(/)])
    expect(filesIn(dir.join('old'))).toEqual([])
    for (const file of files) expect(await servesFile(server.url, 'stored', file)).toBe(true)
    expect((await runDepot(['fsck', '--full', '--config', config])).status).toBe(0)
  })

  it('waits for no other one that is under way, and moves nothing beside it', async () => {
    await using dir = await tempDir('store')
    const config = await configure(dir, { old: '', new: '' })
    {
      await using server = await start(dir, config)
      await upload(server, '1.0')
    }
    const moved = (): Promise<Finished> => runDepot(['store', 'move', 'old', 'new', '--config', config])
    {
      await using _other = await lockWork(dir.join('data', 'depot.db'), 'depot store move')
      const { status, stderr } = await moved()
      expect([status, stderr]).toEqual([1, expect.stringContaining('another depot store move is under way')])
      expect(filesIn(dir.join('new'))).toEqual([])
    }
    expect((await moved()).status).toBe(0)
    expect(filesIn(dir.join('old'))).toEqual([])
  })

  it('makes no folder in place of a store that no server has opened, and says which one it is', async () => {
    await using dir = await tempDir('store')
    await (await start(dir, await configure(dir, { old: '' }))).stop()
    const config = await configure(dir, { old: '', new: '' })
    const { status, stderr } = await runDepot(['store', 'move', 'old', 'new', '--config', config])
    expect([status, stderr]).toEqual([1, expect.stringContaining("depot: the store 'new' cannot be used: ")])
    expect(existsSync(dir.join('new'))).toBe(false)
  })

  it('names the stores that there are when it does not know one', async () => {
    await using dir = await tempDir('store')
    const config = await configure(dir, { warm: '', cold: '' })
    await (await start(dir, config)).stop()
    const moves = [
      ['warn', 'cold'],
      ['cold', 'cold'],
    ].map((names) => runDepot(['store', 'move', ...names, '--config', config]))
    const [unknown, same] = await Promise.all(moves)
    expect([unknown?.status, unknown?.stderr]).toEqual([
      2,
      expect.stringContaining("no store is called 'warn' (did you mean warm?): there are warm, cold"),
    ])
    expect([same?.status, same?.stderr]).toEqual([2, expect.stringContaining('not moved to itself')])
  })
})
