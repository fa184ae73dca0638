import { execFileSync } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import process from 'node:process'

import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'

import { openStorage } from '../../storage/open.ts'
import { tempDir } from '../helpers/temp-dir.ts'

describe('opening the storage', () => {
  it('puts blobs and database below the folder of the depot, and makes what is missing', async () => {
    await using dir = await tempDir()
    const databaseUrl = `sqlite://${dir.join('data', 'depot.db')}`
    const { blobs, kv } = await openStorage({ storePath: dir.join('data'), databaseUrl, storageType: 'fs' })
    await using _blobs = blobs
    await using _kv = kv
    expect(await kv.cache('main')).toMatchObject({ id: 1 })
    expect(await Array.fromAsync(blobs.all[0]?.blobs.list('') ?? [])).toEqual([])
    expect(await readdir(dir.join('data'))).toEqual(expect.arrayContaining(['blobs', 'depot.db']))
  })

  it('touches no folder for blobs in memory', async () => {
    await using dir = await tempDir()
    const databaseUrl = `sqlite://${dir.join('depot.db')}`
    const { blobs, kv } = await openStorage({ storePath: dir.join('store'), databaseUrl, storageType: 'memory' })
    await kv[Symbol.asyncDispose]()
    await blobs[Symbol.asyncDispose]()
    expect(await readdir(dir.path)).not.toContain('store')
  })

  it('refuses an unknown database before it touches anything', async () => {
    await using dir = await tempDir()
    const opening = openStorage({ storePath: dir.join('s'), databaseUrl: 'mongodb://x/y', storageType: 'fs' })
    await expect(opening).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    expect(await readdir(dir.path)).toEqual([])
  })

  it('closes the database again when the blobs cannot be opened', async () => {
    await using dir = await tempDir()
    await writeFile(dir.join('file'), '')
    const databaseUrl = `sqlite://${dir.join('depot.db')}`
    const opening = openStorage({ storePath: dir.join('file'), databaseUrl, storageType: 'fs' })
    await expect(opening).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    // SQLite leaves its write-ahead log only when nobody else has the file open.
    const database = new Database(dir.join('depot.db'), { timeout: 0 })
    expect(database.pragma('journal_mode = delete', { simple: true })).toBe('delete')
    database.close()
  })

  it('loads the driver it needs and no other, and drizzle in its small build', async () => {
    await using dir = await tempDir()
    const script = new URL('../fixtures/loaded-modules.ts', import.meta.url).pathname
    const loaded = execFileSync(process.execPath, [script, dir.path], { encoding: 'utf8' })
    expect(loaded).toContain('drizzle-orm/better-sqlite3/index.cjs')
    expect(loaded).not.toContain('node_modules/postgres/')
  })
})
