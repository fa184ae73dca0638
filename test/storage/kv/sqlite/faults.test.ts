import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'

import type { KvStore } from '../../../../src/kv-store.ts'
import { LIMITS } from '../../../../src/limits.ts'
import { networkFileSystem, openConnection } from '../../../../storage/kv/sqlite/connection.ts'
import { openWriteQueue } from '../../../../storage/kv/sqlite/queue.ts'
import { writerThread } from '../../../../storage/kv/sqlite/thread.ts'
import { openSqliteKv } from '../../../../storage/kv/sqlite/store.ts'
import { auditEntry } from '../../../conformance/kv-samples.ts'
import { describeWith } from '../../../helpers/have.ts'
import { fillUp, smallVolume } from '../../../helpers/small-volume.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'

describe('a SQLite connection', () => {
  it.each([true, false])('has every pragma it needs, readonly %s', async (readonly) => {
    await using dir = await tempDir()
    const file = dir.join('depot.db')
    await using kv = await openSqliteKv({ file })
    await kv.ping()
    const connection = openConnection({ file, journal: 'wal', readonly })
    const pragma = (name: string): unknown => connection.pragma(name, { simple: true })
    expect(pragma('journal_mode')).toBe('wal')
    expect(pragma('synchronous')).toBe(2)
    expect(pragma('foreign_keys')).toBe(1)
    expect(pragma('busy_timeout')).toBe(LIMITS.databaseBusyTimeoutMs)
    connection.close()
  })

  it('keeps its journal beside the file on a network file system, where WAL corrupts', async () => {
    await using dir = await tempDir()
    const connection = openConnection({ file: dir.join('depot.db'), journal: 'delete', readonly: false })
    expect(connection.pragma('journal_mode', { simple: true })).toBe('delete')
    expect(connection.pragma('synchronous', { simple: true })).toBe(2)
    connection.close()
  })

  it('knows network file systems by their magic numbers, negative ones too', () => {
    expect([0x6969, 0xff534d42, 0xff534d42 | 0, 0x65735546, 0x01021997].map(networkFileSystem)).toEqual([
      'nfs',
      'cifs',
      'cifs',
      'fuse',
      '9p',
    ])
    expect([0xef53, 0x01021994, 0x9123683e, 0x58465342].map(networkFileSystem)).toEqual(Array(4).fill(undefined))
  })
})

describe('a SQLite store', () => {
  it('is readable by its owner alone, and folds its log into the file when it closes', async () => {
    await using dir = await tempDir()
    const file = dir.join('depot.db')
    const kv = await openSqliteKv({ file })
    await put(kv, 'a')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(`${file}-wal`)).mode & 0o777).toBe(0o600)
    await kv[Symbol.asyncDispose]()
    await expect(stat(`${file}-wal`)).rejects.toThrow('ENOENT')
  })

  it('says STORAGE_DOWN for a file that is no database', async () => {
    await using dir = await tempDir()
    await writeFile(dir.join('depot.db'), 'this is a text, and one long enough to be looked at as a header'.repeat(20))
    await expect(openSqliteKv({ file: dir.join('depot.db') })).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    expect(await readFile(dir.join('depot.db'), 'utf8')).toContain('this is a text')
  })

  it('says STORAGE_DOWN for a place where no file can be', async () => {
    await using dir = await tempDir()
    await writeFile(dir.join('file'), '')
    await expect(openSqliteKv({ file: dir.join('file', 'depot.db') })).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    await mkdir(dir.join('folder.db'))
    await expect(openSqliteKv({ file: dir.join('folder.db') })).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
  })

  it('reads on, and turns the event loop, while another process holds the write lock; then commits fail', async () => {
    await using dir = await tempDir()
    await using kv = await openSqliteKv({ file: dir.join('depot.db') })
    await put(kv, 'before')
    const other = new Database(dir.join('depot.db'))
    other.exec('BEGIN IMMEDIATE')
    let turns = 0
    const timer = setInterval(() => {
      turns++
      expect(kv.get(1, 'k', 'before')).toMatchObject({ version: 1 })
    }, 50)
    await expect(put(kv, 'during')).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    clearInterval(timer)
    expect(turns).toBeGreaterThan(10)
    other.exec('ROLLBACK')
    other.close()
    await put(kv, 'after')
    expect(await kv.get(1, 'k', 'during')).toBeUndefined()
  })

  it('refuses commits after it was closed', async () => {
    await using dir = await tempDir()
    const kv = await openSqliteKv({ file: dir.join('depot.db') })
    await kv[Symbol.asyncDispose]()
    await expect(put(kv, 'a')).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    await kv[Symbol.asyncDispose]()
  })

  it('does not replace an audit line, whoever asks', async () => {
    await using dir = await tempDir()
    await using kv = await openSqliteKv({ file: dir.join('depot.db') })
    await kv.commit({ cache: 1, audit: [auditEntry('a')] })
    const other = new Database(dir.join('depot.db'))
    expect(() => other.exec('REPLACE INTO audit SELECT * FROM audit')).toThrow('append-only')
    other.close()
  })
})

describe('the writer thread', () => {
  it('rejects what waits when it cannot start, and is started again for the next commit', async () => {
    await using dir = await tempDir()
    const file = dir.join('later', 'depot.db')
    await using queue = openWriteQueue(writerThread({ file, journal: 'wal' }))
    const write = () => queue.write({ commit: { cache: 1, puts: [{ kind: 'k', key: 'a', value: '1' }] } })
    const results = await Promise.allSettled([write(), write(), write()])
    for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'STORAGE_DOWN' } })
    await (await openSqliteKv({ file }))[Symbol.asyncDispose]()
    await write()
  })

  it('rejects what cannot even be sent to it, and takes the next commit', async () => {
    await using dir = await tempDir()
    const file = dir.join('depot.db')
    await (await openSqliteKv({ file }))[Symbol.asyncDispose]()
    await using queue = openWriteQueue(writerThread({ file, journal: 'wal' }))
    const write = (value: unknown) =>
      queue.write({ commit: { cache: 1, puts: [{ kind: 'k', key: 'a', value: value as string }] } })
    const results = await Promise.allSettled([write(() => 'no message takes a function'), write('1')])
    expect(results[0]).toMatchObject({ status: 'rejected', reason: { code: 'STORAGE_DOWN' } })
    expect(await Promise.race([write('2'), sleep(5000, 'waits for ever')])).toBeUndefined()
  })

  it('hands a bug back as it is, without dying of it', async () => {
    await using dir = await tempDir()
    await using kv = await openSqliteKv({ file: dir.join('depot.db') })
    await expect(kv.commit({ cache: 99, puts: [{ kind: 'k', key: 'a', value: '1' }] })).rejects.toThrow('FOREIGN KEY')
    await put(kv, 'a')
  })
})

describe('kill -9 between commits', () => {
  it('loses nothing that was acknowledged', async () => {
    await using dir = await tempDir()
    const file = dir.join('depot.db')
    const script = new URL('../../../fixtures/commit-forever.ts', import.meta.url).pathname
    const acknowledged: string[] = []
    for (let round = 0; round < 5; round++) {
      const child = spawn(process.execPath, [script, file, `round-${round}`], { stdio: ['ignore', 'pipe', 'inherit'] })
      const lines = createInterface({ input: child.stdout })
      let count = 0
      for await (const key of lines) {
        acknowledged.push(key)
        if (++count === 200 + round * 37) child.kill('SIGKILL')
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      expect(child.signalCode).toBe('SIGKILL')
    }
    await using kv = await openSqliteKv({ file })
    const lost = acknowledged.filter((key) => kv.get(1, 'k', key) === undefined)
    expect(acknowledged.length).toBeGreaterThan(1000)
    expect(lost).toEqual([])
    await put(kv, 'and it still takes commits')
  })
})

describeWith('tmpfs', 'a SQLite store on a full disk', () => {
  it('says STORAGE_FULL, goes on reading, and commits again when there is room', async () => {
    await using dir = await tempDir()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', dir.path])
    try {
      await using kv = await openSqliteKv({ file: dir.join('depot.db') })
      await put(kv, 'before')
      await fill(dir.join('filler'))
      const large = { kind: 'k', key: 'large', value: 'x'.repeat(500_000) }
      const small = Array.from({ length: 10 }, (_, index) =>
        kv.commit({ cache: 1, puts: [{ ...large, key: `${index}` }] }),
      )
      for (const result of await Promise.allSettled(small)) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'STORAGE_FULL' } })
      }
      expect(await kv.get(1, 'k', 'before')).toMatchObject({ version: 1 })
      await rm(dir.join('filler'))
      await put(kv, 'after')
      expect(await kv.list(1, 'k', { from: '', limit: 100 })).toHaveLength(2)
    } finally {
      execFileSync('umount', [dir.path])
    }
  })
})

describeWith('tmpfs', 'opening a SQLite store on a full disk', () => {
  it('says STORAGE_FULL when its log finds no room, and opens when there is', async () => {
    await using volume = await smallVolume(2)
    const file = volume.join('depot.db')
    const kv = await openSqliteKv({ file })
    await put(kv, 'before')
    // The log goes with the last one who writes, and so must be made anew.
    await kv[Symbol.asyncDispose]()
    await fillUp(volume.path, volume.join('filler'), 0)
    await expect(openSqliteKv({ file })).rejects.toMatchObject({
      code: 'STORAGE_FULL',
      message: 'the disk of the database is full: free some space and try again',
    })
    await rm(volume.join('filler'))
    await using again = await openSqliteKv({ file })
    await put(again, 'after')
  })
})

/** Take what room is left on the volume, all but some tens of kilobytes. */
async function fill(file: string): Promise<void> {
  await writeFile(file, '')
  for (let sizeBytes = 16_384; ; sizeBytes += 16_384) {
    try {
      await writeFile(file, Buffer.alloc(sizeBytes))
    } catch {
      await truncate(file, sizeBytes - 65_536)
      return
    }
  }
}

async function put(kv: KvStore, key: string): Promise<void> {
  await kv.commit({ cache: 1, puts: [{ kind: 'k', key, value: '1' }] })
}
