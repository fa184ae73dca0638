import { describe, expect, it } from 'vitest'

import { watchRoom } from '../../src/database-room.ts'
import { DepotError } from '../../src/errors.ts'
import type { Commit } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { openTestDepot } from '../helpers/depot.ts'

const CHANGE: Commit = { cache: 1, puts: [{ kind: 'k', key: 'a', value: '1' }] }

/** A real database in which changes meet `fault`, and what was told. */
async function watchedDatabase() {
  const world = await openTestDepot()
  const told: string[] = []
  const events = {
    databaseFull: (message: string) => void told.push(message),
    databaseRecovered: () => void told.push('recovered'),
  }
  const state = { fault: undefined as Error | undefined, nowMs: 0 }
  const kv = {
    ...world.depot.kv,
    commit: (commit: Commit) =>
      state.fault === undefined ? world.depot.kv.commit(commit) : Promise.reject(state.fault),
  }
  return { watched: watchRoom(kv, events, () => state.nowMs), state, told, world }
}

const FULL = new DepotError('STORAGE_FULL', 'no room')

describe('a database that is watched', () => {
  it('is told to be full once, and says so to whoever pings it while a refusal is fresh', async () => {
    const { watched, state, told, world } = await watchedDatabase()
    await using _world = world
    await watched.ping()
    state.fault = FULL
    for (let tries = 0; tries < 3; tries++) await expect(watched.commit(CHANGE)).rejects.toBe(FULL)
    expect(told).toEqual(['no room'])
    await expect(watched.ping()).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    state.nowMs = LIMITS.databaseFullMs
    await watched.ping()
  })

  it('has recovered when a change is taken some time after the last refusal, and not by a small one between two', async () => {
    const { watched, state, told, world } = await watchedDatabase()
    await using _world = world
    state.fault = FULL
    await expect(watched.commit(CHANGE)).rejects.toBe(FULL)
    state.fault = undefined
    await watched.commit(CHANGE)
    await expect(watched.ping()).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    expect(told).toEqual(['no room'])
    state.nowMs = LIMITS.databaseFullMs
    await watched.commit(CHANGE)
    await watched.ping()
    expect(told).toEqual(['no room', 'recovered'])
  })

  it('is told to be full again when it has been long since it was', async () => {
    const { watched, state, told, world } = await watchedDatabase()
    await using _world = world
    state.fault = FULL
    await expect(watched.commit(CHANGE)).rejects.toBe(FULL)
    state.nowMs = LIMITS.databaseFullMs
    await expect(watched.commit(CHANGE)).rejects.toBe(FULL)
    expect(told).toEqual(['no room', 'no room'])
  })

  it('is not full because of any other fault', async () => {
    const { watched, state, told, world } = await watchedDatabase()
    await using _world = world
    state.fault = new DepotError('STORAGE_DOWN', 'gone')
    await expect(watched.commit(CHANGE)).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    await watched.ping()
    expect(told).toEqual([])
  })
})
