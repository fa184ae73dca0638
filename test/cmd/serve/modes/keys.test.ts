import { existsSync, readdirSync } from 'node:fs'

import { expect, it } from 'vitest'

import { describeWith } from '../../../helpers/have.ts'
import { createDatabase, type TestDatabase } from '../../../helpers/postgres-database.ts'
import { runDepot, type Finished } from '../../../helpers/run-depot.ts'
import { startServerProcess, type ServerProcess } from '../../../helpers/server-process.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'

describeWith('postgres', 'servers of one PostgreSQL, each with a folder of its own', () => {
  it('sign with one key: one that has none is refused, and takes the one it is given', async () => {
    await using home = await tempDir('keys')
    await using database = await createDatabase()
    const [first, second] = [home.join('first'), home.join('second')]
    await using server = await start(database, first)
    const [publicKey = ''] = /depot-[0-9a-f]{8}-1:[^'\s]+/.exec(server.greeting) ?? []
    expectRefusal(await fail(database, second), [publicKey, 'give it theirs with --private-key'])
    const nix = ['--private-key', `${first}/signing.key`]
    expectRefusal(await fail(database, second, ...nix), ['SHA256:', 'give it theirs with --npm-private-key'])
    expect(existsSync(second) ? readdirSync(second).filter((name) => name.includes('signing')) : []).toEqual([])
    await using other = await start(database, second, ...nix, '--npm-private-key', `${first}/npm-signing.key`)
    expect(other.greeting).toContain(publicKey)
    expect(other.logs()).not.toContain('clients must trust both')
    expect(await npmKeys(other)).toEqual(await npmKeys(server))
  })

  it('are told when they sign with different keys, which is the word of who named them', async () => {
    await using home = await tempDir('keys')
    await using database = await createDatabase()
    await using _server = await start(database, home.join('first'))
    await runDepot(['key', 'generate', '--name', 'other-1', '--output', home.join('other.key')])
    const keys = ['--private-key', home.join('other.key'), '--npm-private-key', home.join('first/npm-signing.key')]
    await using other = await start(database, home.join('second'), ...keys)
    expect(other.logs()).toMatch(
      /signs Nix paths with other-1:\S+, the one that started before with depot-\S+: clients/,
    )
    expect(other.logs()).not.toContain('npm packages')
  })

  it('may have one key more while it is being replaced', async () => {
    await using home = await tempDir('keys')
    await using database = await createDatabase()
    {
      await using _server = await start(database, home.join('data'))
    }
    expect(await runDepot(['key', 'rotate', '--store-path', home.join('data')])).toMatchObject({ status: 0 })
    await using both = await start(database, home.join('data'))
    expect(both.logs()).not.toContain('clients must trust')
  })

  it('make one key when they start at once on a new database, and the others go', async () => {
    await using home = await tempDir('keys')
    await using database = await createDatabase()
    const folders = ['a', 'b', 'c'].map((name) => home.join(name))
    const starts = await Promise.allSettled(folders.map((folder) => start(database, folder)))
    const servers = starts.flatMap((started) => (started.status === 'fulfilled' ? [started.value] : []))
    const keys = servers.map(({ greeting }) => /depot-[0-9a-f]{8}-1:[^'\s]+/.exec(greeting)?.[0])
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    expect(keys).toHaveLength(1)
    const reasons = starts.flatMap((started) => (started.status === 'rejected' ? [String(started.reason)] : []))
    for (const reason of reasons) expect(reason).toContain('other servers of this database sign')
    const files = folders.filter((folder) => existsSync(`${folder}/signing.key`))
    expect(files).toHaveLength(1)
  })

  it('make one key when they start at once on one folder', async () => {
    await using home = await tempDir('keys')
    await using database = await createDatabase()
    const servers = await Promise.all([1, 2, 3].map(() => start(database, home.join('data'), '--workers', '2')))
    const keys = servers.map(({ greeting }) => /depot-[0-9a-f]{8}-1:[^'\s]+/.exec(greeting)?.[0])
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    expect(new Set(keys).size).toBe(1)
  })
})

function start({ url }: TestDatabase, dataDir: string, ...args: readonly string[]): Promise<ServerProcess> {
  return startServerProcess({ dataDir, args: ['--database-url', url, ...args] })
}

function fail({ url }: TestDatabase, dataDir: string, ...args: readonly string[]): Promise<Finished> {
  const address = ['--listen-addr', '127.0.0.1:0']
  return runDepot(['serve', ...address, '--store-path', dataDir, '--database-url', url, ...args])
}

function expectRefusal({ status, stderr, stdout }: Finished, parts: readonly string[]): void {
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  for (const part of parts) expect(stderr).toContain(part)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
}

async function npmKeys({ url }: ServerProcess): Promise<unknown> {
  return (await fetch(`${url}/npm/-/npm/v1/keys`)).json()
}
