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
 * Look what time the database has, and again now and then, and at once when this machine's clock was set or stood still. In between it goes
 * on by a clock that nobody sets.
 *
 * @throws DepotError `STORAGE_DOWN` when it cannot be asked the first time
 */
export async function openClock(pool: Pick<Pool, 'use'>): Promise<DatabaseClock> {
  let looked = await pool.use(measureClock)
  if (isVague(looked)) looked = await pool.use(measureClock)
  let isLooking = false

  async function look(): Promise<void> {
    if (isLooking) return
    isLooking = true
    try {
      const measured = await pool.use(measureClock)
      if (!isVague(measured)) looked = measured
    } catch {
      // Where it cannot be asked now, nothing else can either, and its time goes on as it did.
    } finally {
      isLooking = false
    }
  }

  const timer = setInterval(() => void look(), LIMITS.databaseClockMs)
  timer.unref()
  return {
    now() {
      const nowMs = Math.round(performance.now() + looked.offsetMs)
      if (Math.abs(Date.now() - nowMs - looked.aheadMs) > LIMITS.databaseClockJumpMs) void look()
      return nowMs
    },
    aheadMs: () => looked.aheadMs,
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

/** What time a database has, right to half the time that its answer took; in milliseconds. */
interface Measured {
  /** Between its time and `performance.now()`. */
  readonly offsetMs: number
  /** Whole ones by which this machine's clock is ahead of it. */
  readonly aheadMs: number
  readonly tookMs: number
}

/** Ask a database what time it has. */
export async function measureClock(client: Client): Promise<Measured> {
  const before = performance.now()
  const [row] = await client<{ ms: number }[]>`
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`
  if (row === undefined) throw new Error('a SELECT without FROM has one row')
  const after = performance.now()
  const offsetMs = row.ms - (before + after) / 2
  return { offsetMs, aheadMs: Math.round(Date.now() - (after + offsetMs)), tookMs: after - before }
}

function isVague({ tookMs }: Measured): boolean {
  return tookMs > LIMITS.databaseClockAnswerMs
}

/** What an operator should know about it; undefined when both clocks agree. */
export function clockFault(aheadMs: number): string | undefined {
  const seconds = Math.round(Math.abs(aheadMs) / 1000)
  if (seconds <= LIMITS.clockSkewSeconds) return undefined
  const way = aheadMs > 0 ? 'ahead of' : 'behind'
  return `the clock of this machine is ${seconds} s ${way} that of PostgreSQL, which logins and tokens go by: what is published here gets wrong times`
}
