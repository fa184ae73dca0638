import { LIMITS } from '../../../src/limits.ts'
import type { Client } from './connect.ts'
import type { Pool } from './pool.ts'

/** The time of a database, which all servers over it have in common however their own clocks are set. */
export interface DatabaseClock extends Disposable {
  /** Milliseconds since 1970. */
  now(): number
  /** Milliseconds by which this machine is ahead of it. */
  aheadMs(): number
}

/**
 * Look what time the database has, and again now and then: either clock may be set meanwhile.
 *
 * @throws DepotError `STORAGE_DOWN` when it cannot be asked the first time
 */
export async function openClock(pool: Pool): Promise<DatabaseClock> {
  let { aheadMs } = await pool.use(measureAhead)
  const timer = setInterval(() => {
    // Where it cannot be asked now, nothing else can either, and the difference stays what it was.
    pool.use(measureAhead).then(
      (measured) => {
        if (measured.tookMs <= LIMITS.databaseClockAnswerMs) aheadMs = measured.aheadMs
      },
      () => {},
    )
  }, LIMITS.databaseClockMs)
  timer.unref()
  return {
    now: () => Date.now() - aheadMs,
    aheadMs: () => aheadMs,
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

/** How many whole milliseconds this machine is ahead of a database, right to half the time that the answer took. */
export async function measureAhead(client: Client): Promise<{ readonly aheadMs: number; readonly tookMs: number }> {
  const before = Date.now()
  const [row] = await client<{ ms: number }[]>`
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`
  if (row === undefined) throw new Error('a SELECT without FROM has one row')
  const after = Date.now()
  return { aheadMs: Math.round((before + after) / 2 - row.ms), tookMs: after - before }
}

/** What an operator should know about it; undefined when both clocks agree. */
export function clockFault(aheadMs: number): string | undefined {
  const seconds = Math.round(Math.abs(aheadMs) / 1000)
  if (seconds <= LIMITS.clockSkewSeconds) return undefined
  const way = aheadMs > 0 ? 'ahead of' : 'behind'
  return `the clock of this machine is ${seconds} s ${way} that of PostgreSQL, which logins and tokens go by: what is published here gets wrong times`
}
