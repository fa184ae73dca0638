import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'

import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'

import { openSqliteKv } from '../../../../storage/kv/sqlite/store.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'

const KIND = 'npm-package'

async function openBoth() {
  const dir = await tempDir('sqlite-turn')
  const file = join(dir.path, 'depot.db')
  const kv = await openSqliteKv({ file })
  await kv.commit({ cache: 1, puts: [{ kind: KIND, key: 'a', value: '0' }] })
  const other = new Database(file)
  return {
    kv,
    read: async () => (await kv.get(1, KIND, 'a'))?.value,
    /** As another process would. */
    writeElsewhere: (value: string) => other.prepare('UPDATE record SET value = ?').run(value),
    async [Symbol.asyncDispose]() {
      other.close()
      await kv[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}

describe('reads of one turn', () => {
  it('see what another process has committed before the turn, and after it', async () => {
    await using both = await openBoth()
    for (let round = 1; round <= 50; round++) {
      both.writeElsewhere(String(round))
      both.kv.readTogether?.()
      expect(both.kv.get(1, KIND, 'a')).toMatchObject({ value: String(round) })
      expect(both.kv.get(1, KIND, 'a')).toMatchObject({ value: String(round) })
      both.writeElsewhere(`${round} and later`)
      await nextTurn()
      expect(await both.read()).toBe(`${round} and later`)
    }
  })

  it('share one state of the database', async () => {
    await using both = await openBoth()
    let shared = 0
    // A turn may be over before its time on a slow machine.
    for (let round = 0; round < 50; round++) {
      both.kv.readTogether?.()
      await both.read()
      const before = await both.read()
      both.writeElsewhere(`round ${round}`)
      if ((await both.read()) === before) shared++
      await nextTurn()
    }
    expect(shared).toBeGreaterThan(0)
  })

  it('of a turn that takes long do not stay with the state that they began with', async () => {
    await using both = await openBoth()
    both.kv.readTogether?.()
    await both.read()
    await both.read()
    both.writeElsewhere('later')
    const since = performance.now()
    while (performance.now() - since < 5);
    expect(both.kv.get(1, KIND, 'a')).toMatchObject({ value: 'later' })
  })

  it('see what another process has committed when one of them has to', async () => {
    await using both = await openBoth()
    for (let round = 1; round <= 50; round++) {
      both.kv.readTogether?.()
      await both.read()
      await both.read()
      both.writeElsewhere(String(round))
      both.kv.readAnew?.()
      expect(await both.read()).toBe(String(round))
      await nextTurn()
    }
  })

  it('see what this process has committed, from the moment on at which it is told', async () => {
    await using both = await openBoth()
    for (let round = 1; round <= 100; round++) {
      let told = false
      const commit = both.kv
        .commit({ cache: 1, puts: [{ kind: KIND, key: 'a', value: String(round) }] })
        .then(async () => {
          told = true
          return both.read()
        })
      while (!told) {
        both.kv.readTogether?.()
        await both.read()
        await both.read()
        await nextTurn()
      }
      expect(await commit).toBe(String(round))
    }
  })

  it('do not keep the database open when it is closed', async () => {
    const both = await openBoth()
    both.kv.readTogether?.()
    await both.read()
    await both.read()
    await both[Symbol.asyncDispose]()
    await nextTurn()
    expect(both.kv.readTogether).toBeDefined()
  })
})
