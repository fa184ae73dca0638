import { copyFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, it, vi } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { FIND } from '../../../storage/nix-store/database.ts'
import { openNixStore } from '../../../storage/nix-store/open.ts'
import { snapshotOf } from '../../../storage/nix-store/snapshot.ts'
import { testStore } from '../../helpers/local-store.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const file = (name: string) => writeFile.bind(undefined, name)
const DATABASE = 'nix/var/nix/db/db.sqlite'

describe('the database of a Nix store', () => {
  it('tells of valid paths, by their hash part alone', async () => {
    await using store = await testStore()
    const one = await store.add('one', (name) => file(name)('1'))
    const two = await store.add('two', (name) => file(name)('2'), {
      deriver: '/nix/store/x.drv',
      sigs: 'a:b c:d',
      ca: 'text:x',
      references: [one.baseName, `${'0'.repeat(32)}-none`],
    })
    await using opened = openNixStore(store.root)
    expect(opened.find(two.storeHash)).toEqual({
      path: `/nix/store/${two.baseName}`,
      hash: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as unknown,
      narSize: two.nar.byteLength,
      deriver: '/nix/store/x.drv',
      sigs: 'a:b c:d',
      ca: 'text:x',
      references: [`/nix/store/${one.baseName}`],
    })
    expect(opened.find(one.storeHash)?.references).toEqual([])
    expect(opened.find('')).toBeUndefined()
    expect(opened.find('0'.repeat(32))).toBeUndefined()
  })

  it('is asked anew each time, and never held: others write, and may even lock it whole', async () => {
    await using store = await testStore()
    await using opened = openNixStore(store.root)
    const added = await store.add('later', (name) => file(name)('x'))
    expect(opened.find(added.storeHash)).toBeDefined()
    store.database.pragma('wal_checkpoint(truncate)')
    store.database.exec('begin exclusive')
    store.invalidate(added.baseName)
    expect(opened.find(added.storeHash)).toBeDefined()
    store.database.exec('commit')
    expect(opened.find(added.storeHash)).toBeUndefined()
  })

  it('looks a path up in the index, also one that is not there', async () => {
    await using store = await testStore()
    const plan = store.database.prepare(`explain query plan ${FIND}`).all('a', 'b')
    expect(JSON.stringify(plan)).toContain('sqlite_autoindex_ValidPaths_1 (path>? AND path<?)')
  })

  it('may be replaced by another file, and may be gone for a while', async () => {
    await using store = await testStore()
    const added = await store.add('moved', (name) => file(name)('x'))
    await using other = await testStore()
    other.database.pragma('journal_mode = delete')
    await using opened = openNixStore(store.root)
    expect(opened.find(added.storeHash)).toBeDefined()
    store.database.pragma('wal_checkpoint(truncate)')
    const [place, spare] = [path.join(store.root, DATABASE), path.join(store.root, 'spare')]
    await rename(place, spare)
    expect(() => opened.find(added.storeHash)).toThrow('is not there')
    await rm(`${place}-wal`, { force: true })
    await rm(`${place}-shm`, { force: true })
    await copyFile(path.join(other.root, DATABASE), place)
    expect(opened.find(added.storeHash)).toBeUndefined()
  })

  it('that has no log and is locked holds others up once and not at every question, and is asked again later', async () => {
    await using store = await testStore()
    store.database.pragma('journal_mode = delete')
    const added = await store.add('added', (name) => file(name)('x'))
    await using opened = openNixStore(store.root)
    store.database.exec('begin exclusive')
    const began = performance.now()
    for (let question = 0; question < 100; question++)
      expect(() => opened.find(added.storeHash)).toThrow(expect.objectContaining({ code: 'STORAGE_DOWN' }))
    // Half of what it takes when every question waits: a busy machine has room below it.
    expect(performance.now() - began).toBeLessThan(50 * LIMITS.localStoreBusyTimeoutMs)
    store.database.exec('commit')
    await vi.waitFor(() => expect(opened.find(added.storeHash)).toBeDefined(), 30 * LIMITS.localStoreLockedMs)
  })

  it('must be there, and be that of a Nix store', async () => {
    await using dir = await tempDir()
    expect(() => openNixStore(dir.path)).toThrow(expect.objectContaining({ code: 'STORAGE_DOWN' }))
    await using store = await testStore()
    store.database.exec('drop table Refs; drop table ValidPaths')
    expect(() => openNixStore(store.root)).toThrow(expect.objectContaining({ code: 'STORAGE_DOWN' }))
    await writeFile(
      path.join(store.root, DATABASE),
      'no database at all, though it is long enough to be one of some kind',
    )
    expect(() => openNixStore(store.root)).toThrow(expect.objectContaining({ code: 'STORAGE_DOWN' }))
  })

  it('is copied when nobody has it open, and that only as long as nothing changes', async () => {
    await using store = await testStore()
    const [one, two] = [await store.add('one', (name) => file(name)('1')), 'c'.repeat(32)]
    const place = path.join(store.root, DATABASE)
    expect(snapshotOf(place)).toBeUndefined()
    store.database.pragma('wal_checkpoint(truncate)')
    // Many systems date files by a clock that ticks every few milliseconds, and the next change may come in the same tick.
    await utimes(place, 1, 1)
    const snapshot = snapshotOf(place)
    const valid = snapshot?.database.prepare('select count(*) from ValidPaths').pluck()
    expect([valid?.get(), snapshot?.isCurrent()]).toEqual([1, true])
    store.database.prepare('update ValidPaths set path = ?').run(`/nix/store/${two}-x`)
    expect([valid?.get(), snapshot?.isCurrent()]).toEqual([1, false])
    store.database.pragma('wal_checkpoint(truncate)')
    expect(snapshot?.isCurrent()).toBe(false)
    expect(snapshotOf(place)?.database.prepare('select path from ValidPaths').pluck().all()).not.toContain(one.baseName)
  })
})
