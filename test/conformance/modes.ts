import { existsSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { distOf, publishOf, tarballOf } from '../helpers/npm-fixtures.ts'
import { runDepot, type Finished } from '../helpers/run-depot.ts'
import { startServerProcess, type ServerProcess, type ServerProcessOptions } from '../helpers/server-process.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { buildWheel } from '../helpers/wheel.ts'

/** An empty database, and ways behind the driver's back. */
export interface ModesDatabase extends AsyncDisposable {
  readonly url: string
  /** Make the tables as the first depot had them. */
  makeOld(): Promise<void>
  /** Apply a change as only a newer depot would know it: one more column of the blobs. */
  makeNewer(): Promise<void>
  tables(): Promise<readonly string[]>
}

/** What each mode of `depot serve` does with a database, from the command line. */
export function describeModes(title: string, open: () => Promise<ModesDatabase>): void {
  describe(`depot serve --mode, on ${title}`, () => {
    it('db-migrations makes the tables and nothing else, and an api-server then serves', async () => {
      await using world = await modesWorld(open)
      const made = await world.run('db-migrations')
      expect(made).toMatchObject({ status: 0, stdout: 'the database is up to date\n', stderr: '' })
      expect(existsSync(world.dataDir)).toBe(false)
      expect(await world.run('db-migrations')).toMatchObject({ status: 0 })
      await using server = await world.start('api-server')
      await putAndGet(server, 'first')
    })

    it.each(['1', '2'])('api-server with --workers %s refuses tables that are not there or old', async (workers) => {
      await using world = await modesWorld(open)
      const args = ['--workers', workers]
      expectRefusal(await world.run('api-server', args), 'depot serve --mode db-migrations')
      expect(await world.database.tables()).toEqual([])
      await world.database.makeOld()
      const before = await world.database.tables()
      expectRefusal(await world.run('api-server', args), 'is of an older depot (0002-audit-chain is missing)')
      expect(await world.database.tables()).toEqual(before)
      expect(existsSync(`${world.dataDir}/signing.key`)).toBe(false)
      expect(await world.run('db-migrations')).toMatchObject({ status: 0 })
      await using server = await world.start('api-server', args)
      await putAndGet(server, 'first')
    })

    it('monolithic brings old tables up to date', async () => {
      await using world = await modesWorld(open)
      await world.database.makeOld()
      await using server = await world.start('monolithic')
      await putAndGet(server, 'first')
    })

    it('no mode touches the tables of a newer depot', async () => {
      await using world = await modesWorld(open)
      expect(await world.run('db-migrations')).toMatchObject({ status: 0 })
      await world.database.makeNewer()
      for (const mode of ['monolithic', 'api-server', 'db-migrations', 'check-config']) {
        expectRefusal(await world.run(mode), 'changed by a newer depot (9999-newer)')
      }
    })

    it('check-config tells what a start would find, and changes nothing', async () => {
      await using world = await modesWorld(open)
      await world.database.makeOld()
      const before = await world.database.tables()
      const old = await world.run('check-config')
      expect(old).toMatchObject({ status: 0, stderr: '' })
      expect(old.stdout).toContain('database: answers, and lacks 0002-audit-chain')
      expect(await world.database.tables()).toEqual(before)
      expect(existsSync(world.dataDir)).toBe(false)
      await world.run('db-migrations')
      expect((await world.run('check-config')).stdout).toContain('the first start makes their folder')
      expect(existsSync(world.dataDir)).toBe(false)
      await using _server = await world.start('monolithic')
      const { stdout } = await world.run('check-config')
      expect(stdout.split('\n').slice(0, 2)).toEqual(['database: answers, and is up to date', 'store: answers'])
    })

    it('a server goes on reading and writing when a newer depot adds to the tables, and none of its version starts any more', async () => {
      await using world = await modesWorld(open)
      await using server = await world.start('monolithic')
      const path = await putAndGet(server, 'before')
      await world.database.makeNewer()
      expect((await fetch(server.url + path)).status).toBe(200)
      await putAndGet(server, 'after')
      expectRefusal(await world.run('api-server'), 'newer depot')
    })

    it('an api-server leaves work on what is stored to others', async () => {
      await using world = await modesWorld(open)
      {
        await using server = await world.start('monolithic')
        await publish(server)
      }
      const rotated = await runDepot(['key', 'rotate', '--npm', '--store-path', world.dataDir])
      const newest = rotated.stdout.trim()
      {
        await using server = await world.start('api-server')
        await new Promise((resolve) => setTimeout(resolve, 1500))
        expect(await signersOf(server)).not.toContain(newest)
      }
      await using server = await world.start('monolithic')
      await expect.poll(() => signersOf(server), { timeout: 10_000 }).toEqual([newest])
    })
  })
}

interface ModesWorld extends AsyncDisposable {
  readonly database: ModesDatabase
  readonly dataDir: string
  /** Run a mode that comes to an end. */
  run(mode: string, args?: readonly string[]): Promise<Finished>
  start(mode: string, args?: readonly string[]): Promise<ServerProcess>
}

async function modesWorld(open: () => Promise<ModesDatabase>): Promise<ModesWorld> {
  const home = await tempDir('modes')
  const database = await open()
  const dataDir = home.join('data')
  const settings = ['--database-url', database.url]
  return {
    database,
    dataDir,
    run: (mode, args = []) =>
      runDepot([
        'serve',
        '--mode',
        mode,
        '--listen-addr',
        '127.0.0.1:0',
        '--store-path',
        dataDir,
        ...settings,
        ...args,
      ]),
    start: (mode, args = []) =>
      startServerProcess({ dataDir, args: ['--mode', mode, ...settings, ...args] } satisfies ServerProcessOptions),
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
    },
  }
}

/** One line, and no partial start. */
function expectRefusal({ status, stdout, stderr }: Finished, part: string): void {
  expect(status).toBe(1)
  expect(stderr).toContain(part)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(stdout).not.toContain('depot serves')
}

/** Put a wheel and read it again; returns the path at which it is read. */
async function putAndGet({ url }: ServerProcess, name: string): Promise<string> {
  const { filename, bytes } = buildWheel({ name, version: '1.0' })
  const put = await fetch(`${url}/python/${name}/${filename}`, { method: 'PUT', body: Buffer.from(bytes) })
  expect(put.status).toBe(201)
  const path = `/python/files/${name}/${filename}`
  const got = await fetch(url + path)
  expect(Buffer.from(await got.arrayBuffer()).equals(Buffer.from(bytes))).toBe(true)
  return path
}

async function publish({ url }: ServerProcess): Promise<void> {
  const own = { name: 'signed', version: '1.0.0' }
  const tarball = await tarballOf(own)
  const body = JSON.stringify(publishOf(own, tarball, { dist: distOf(tarball) }))
  const headers = { 'content-type': 'application/json' }
  expect((await fetch(`${url}/npm/signed`, { method: 'PUT', headers, body })).status).toBeLessThan(300)
}

async function signersOf({ url }: ServerProcess): Promise<readonly string[]> {
  const document = (await (await fetch(`${url}/npm/signed`)).json()) as {
    readonly versions: Readonly<
      Record<string, { readonly dist: { readonly signatures?: readonly { readonly keyid: string }[] } }>
    >
  }
  return document.versions['1.0.0']?.dist.signatures?.map(({ keyid }) => keyid) ?? []
}
