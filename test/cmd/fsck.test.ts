import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'

import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'

import { blobLocation } from '../../src/blobs/blob-location.ts'
import { MAIN_CACHE } from '../../src/kv-store.ts'
import { readMigrations } from '../../storage/kv/migrate.ts'
import { appliedToSqlite, migrateSqlite } from '../../storage/kv/sqlite/migrate.ts'
import { openSqliteKv } from '../../storage/kv/sqlite/store.ts'
import { inPieces, openTestDepot } from '../helpers/depot.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { tempDir } from '../helpers/temp-dir.ts'

async function storeNote(world: Awaited<ReturnType<typeof openTestDepot>>): Promise<string> {
  await using staged = await world.depot.stage(MAIN_CACHE, inPieces(Buffer.alloc(5000, 'x')), { encoding: 'raw' })
  const row = await staged.publish()
  const put = { kind: 'note', key: 'a', value: '{}', refs: [row.digest] }
  await world.depot.commit(MAIN_CACHE, { puts: [put], blobs: [row] })
  return path.join(world.dir, 'blobs', blobLocation(row.domain, row.digest))
}

describe('depot fsck', () => {
  it('exits with 0 while everything is whole, and with 1 and a line for what is damaged', async () => {
    await using world = await openTestDepot()
    const file = await storeNote(world)
    const whole = await runDepot(['fsck', '--full', '--store-path', world.dir])
    expect(whole).toMatchObject({ status: 0, stdout: '1 blobs, 1 references, 5000 bytes hashed: 0 errors\n' })

    truncateSync(file, 10)
    const { status, stdout } = await runDepot(['fsck', '--json', '--store-path', world.dir])
    const lines = stdout.trim().split('\n')
    expect(status).toBe(1)
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { kind: 'blob-size', severity: 'error' },
      { kind: 'summary', blobs: 1, errors: 1 },
    ])
  })

  it('says that there is no depot, and makes none, where none is', async () => {
    await using dir = await tempDir()
    const { status, stderr } = await runDepot(['fsck', '--store-path', dir.join('mistyped')])
    expect(status).toBe(1)
    expect(stderr).toContain('--store-path')
    expect(existsSync(dir.join('mistyped'))).toBe(false)
  })

  it('leaves alone what a server has staged, wherever that server runs', async () => {
    await using world = await openTestDepot()
    // A process number that is none here: the server may live in another container on the same volume.
    const staged = path.join(world.dir, 'blobs', 'tmp', '4194304-0123456789abcdef-0')
    writeFileSync(staged, 'half an upload')
    expect((await runDepot(['fsck', '--store-path', world.dir])).status).toBe(0)
    expect(readdirSync(path.dirname(staged))).toEqual([path.basename(staged)])
  })

  it.each(['fsck', 'audit list', 'store list'])(
    'like every command that only looks changes no table of an older depot, and says what does (%s)',
    async (command) => {
      await using dir = await tempDir()
      const database = new Database(dir.join('depot.db'))
      migrateSqlite(database, readMigrations('sqlite').slice(0, 2))
      const { status, stderr } = await runDepot([...command.split(' '), '--store-path', dir.path])
      expect(appliedToSqlite(database)).toHaveLength(2)
      database.close()
      expect(status).toBe(1)
      expect(stderr).toContain('depot serve --mode db-migrations')
    },
  )

  it('reads a copy of a database as it is, also one that was made without a log', async () => {
    await using dir = await tempDir()
    await (await openSqliteKv({ file: dir.join('depot.db') }))[Symbol.asyncDispose]()
    const database = new Database(dir.join('depot.db'))
    database.pragma('journal_mode = delete')
    database.close()
    const before = readFileSync(dir.join('depot.db'))
    expect(await runDepot(['fsck', '--store-path', dir.path])).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(dir.join('depot.db')).equals(before)).toBe(true)
    expect(readdirSync(dir.path)).toEqual(['depot.db'])
  })

  it('refuses to look for what only a running server has in memory', async () => {
    const { status, stderr } = await runDepot(['fsck', '--storage-type', 'memory'])
    expect(status).toBe(2)
    expect(stderr).toContain('nothing to check')
  })
})
