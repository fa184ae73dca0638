import { setTimeout as sleep } from 'node:timers/promises'

import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { Pool } from './pool.ts'
import type { Client, Transaction } from './connect.ts'
import { isBroken, isWorthRepeating } from './errors.ts'
import type { Applied } from './commit.ts'

/** Runs a transaction whole, once, or not at all. */
export type Transact = (body: Body, isThere?: IsThere) => Promise<void>

type Body = (transaction: Transaction) => Promise<Applied | void>

/**
 * Whether something that only this transaction wrote stands there, written under this number. Without it a transaction is one that may
 * be done twice.
 */
export type IsThere = (client: Client, id: string) => Promise<boolean>

/** So often a transaction is run that meets deadlocks, or breaks in the middle; one that could not begin is tried for as long as an outage may take. */
const ATTEMPTS = 8
const PAUSE_MS = 20

export interface Transactions {
  readonly transact: Transact
  /** Begin no more; resolves when all that were begun are over, or cannot be any more. */
  end(): Promise<void>
}

/**
 * Runs transactions. One that met a deadlock is run again, and so is one whose connection broke, when the database says that nothing of it
 * was done; when it says that it was done, it was. Too many at once are refused rather than remembered.
 */
export function transactions(pool: Pool): Transactions {
  const running = new Set<Promise<void>>()
  let isEnding = false
  return {
    async transact(body, isThere) {
      if (isEnding) throw new DepotError('STORAGE_DOWN', 'the database is being closed')
      if (running.size >= LIMITS.commitsWaitingMax)
        throw new DepotError('STORAGE_DOWN', 'the database cannot keep up: try again later')
      const whole = untilDone(pool, { body, isThere })
      running.add(whole)
      try {
        await whole
      } finally {
        running.delete(whole)
      }
    },
    async end() {
      isEnding = true
      const timeOut = new AbortController()
      const patience = sleep(LIMITS.databaseBusyTimeoutMs, undefined, { signal: timeOut.signal }).catch(() => {})
      await Promise.race([Promise.allSettled(running), patience])
      timeOut.abort()
    },
  }
}

interface Wanted {
  readonly body: Body
  readonly isThere: IsThere | undefined
}

/** How much longer a transaction is tried. */
interface Patience {
  repeatsLeft: number
  /** By `performance.now()`: since when it could not even begin. */
  outageSince: number | undefined
}

async function untilDone(pool: Pool, wanted: Wanted): Promise<void> {
  const patience = { repeatsLeft: ATTEMPTS - 1, outageSince: undefined }
  while (!(await once(pool, wanted, patience)));
}

/** False when nothing was done and it is worth doing again. */
async function once(pool: Pool, { body, isThere }: Wanted, patience: Patience): Promise<boolean> {
  const begun: { id?: string } = {}
  try {
    await pool.alone((client) => attempt(client, body, begun))
    return true
  } catch (error) {
    if (isWorthRepeating(reasonOf(error)) && patience.repeatsLeft-- > 0) {
      await sleep(Math.random() * PAUSE_MS)
      return false
    }
    if (!isBroken(error)) throw error
    // Without a number nothing was changed, and COMMIT was not sent.
    if (begun.id !== undefined) {
      if (await wasCommitted(pool, begun.id, isThere)) return true
      if (patience.repeatsLeft-- <= 0) throw error
      patience.outageSince = undefined
    }
    patience.outageSince ??= performance.now()
    if (await pool.mayRepeat(patience.outageSince)) return false
    throw error
  }
}

async function attempt(client: Client, body: Body, begun: { id?: string }): Promise<void> {
  const applied = await client.begin(async (transaction) => {
    // In the same trip as what follows, and answered before COMMIT goes out.
    const numbered = transaction<{ id: string }[]>`SELECT pg_current_xact_id()::text AS id`.then(([row]) => {
      if (row !== undefined) begun.id = row.id
    })
    const [done] = await Promise.all([body(transaction), numbered])
    return done ?? undefined
  })
  await applied?.audited
}

/**
 * What became of a transaction whose end nobody told us. PostgreSQL knows it by its number; but a crash forgets numbers that had not
 * reached the disk, and gives them out again: what was written has to be there as well.
 *
 * @throws DepotError `STORAGE_DOWN` when it cannot be asked in time
 */
async function wasCommitted(pool: Pool, id: string, isThere: IsThere = async () => false): Promise<boolean> {
  const end = performance.now() + LIMITS.databaseBusyTimeoutMs
  for (;;) {
    try {
      const status = await pool.use((client) => statusOf(client, id))
      // Its process may not have heard yet that we have gone.
      if (status !== 'in progress') return status === 'committed' && (await pool.use((client) => isThere(client, id)))
    } catch (error) {
      if (!isBroken(error) || performance.now() > end) throw unknownOutcome(error)
    }
    if (performance.now() > end) throw unknownOutcome(undefined)
    await sleep(LIMITS.databaseRetryMsMin * (0.5 + Math.random() / 2))
  }
}

/** Undefined for a number that was never given out, or not since a crash: pg_xact_status would refuse one that is still to come. */
async function statusOf(client: Client, id: string): Promise<string | undefined> {
  const [row] = await client<{ status: string | null }[]>`SELECT CASE
    WHEN ${id}::text::xid8 < pg_snapshot_xmax(pg_current_snapshot()) THEN pg_xact_status(${id}::text::xid8) END AS status`
  return row?.status ?? undefined
}

function unknownOutcome(cause: unknown): DepotError {
  const message = 'the database went away before it said whether the change was made: look, or send it again'
  return new DepotError('STORAGE_DOWN', message, { cause })
}

function reasonOf(error: unknown): unknown {
  return error instanceof DepotError ? error.cause : error
}
