import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'

import { LIMITS } from '../../../../src/limits.ts'
import { openPostgresKv } from '../../../../storage/kv/postgres/store.ts'
import { describeWith } from '../../../helpers/have.ts'
import { createDatabase, type TestDatabase } from '../../../helpers/postgres-database.ts'

const HOUR_MS = 60 * 60 * 1000
/** A machine may stand still for a moment while both are read. */
const CLOSE_MS = 30_000

describeWith('postgres', 'the clock of a database', () => {
  let database: TestDatabase
  const realNow = Date.now
  beforeAll(async () => {
    database = await createDatabase()
  })
  afterEach(() => void vi.restoreAllMocks())
  afterAll(() => database[Symbol.asyncDispose]())

  it.each([
    ['ahead', HOUR_MS],
    ['behind', -HOUR_MS],
  ])('is right when that of this machine is an hour %s, and from the moment on when it is set right', async (_, ms) => {
    const wrong = vi.spyOn(Date, 'now').mockImplementation(() => realNow() + ms)
    const told: string[] = []
    await using kv = await openPostgresKv({ url: database.url, warn: (message) => void told.push(message) })
    expect(told).toEqual([expect.stringContaining('the clock of this machine is')])
    const awayMs = () => Math.abs((kv.now?.() ?? 0) - realNow())
    expect(awayMs()).toBeLessThan(CLOSE_MS)
    wrong.mockRestore()
    expect(awayMs()).toBeLessThan(CLOSE_MS)
    wrong.mockImplementation(() => realNow() - ms)
    expect(awayMs()).toBeLessThan(CLOSE_MS)
  })

  it('is looked at again at once when this machine has slept, or its clock was set', async () => {
    await using kv = await openPostgresKv({ url: database.url })
    const steady = performance.now.bind(performance)
    // What a machine that slept for an hour has: its clock has gone on, the steady one has not.
    vi.spyOn(performance, 'now').mockImplementation(() => steady() - HOUR_MS)
    await expect
      .poll(() => Math.abs((kv.now?.() ?? 0) - realNow()), { timeout: LIMITS.databaseClockMs / 2 })
      .toBeLessThan(CLOSE_MS)
  })
})
