import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Held } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { Line } from '../line.ts'
import type { Live, Session } from './session.ts'
import { untilAborted } from '../until-aborted.ts'

/** Any constant will do, as long as no other program on this database takes it: what is held of ours. */
const HOLD_CLASS = 0x64686c64

/**
 * Wait until nobody else who uses this database holds `name`, and hold it: an advisory lock, tied to a connection. Asked for again and
 * again and not waited for: the connection has other things to do, and one that waits cannot be told to stop.
 *
 * @param line of this process: PostgreSQL lets a connection have its own lock as often as it asks
 * @throws the reason of `signal`
 */
export async function holdInPostgres(session: Session, line: Line, name: string, signal: AbortSignal): Promise<Held> {
  const leave = await line.enter(name, signal)
  try {
    for (;;) {
      const live = await session.live(signal)
      const isOurs = await askFor(live, name, signal)
      if (isOurs && !live.lost.aborted) return held(live, name, leave)
      await sleep(LIMITS.holdPauseMs * (0.5 + Math.random() / 2), undefined, { signal })
    }
  } catch (error) {
    leave()
    signal.throwIfAborted()
    throw error
  }
}

function held(live: Live, name: string, leave: () => void): Held {
  return {
    lost: live.lost,
    async [Symbol.asyncDispose]() {
      if (!live.lost.aborted) await unlock(live, name)
      leave()
    },
  }
}

/** Whoever stops waits for no answer that a silent connection may never give; what it gives later goes back. @throws the reason of `signal` */
async function askFor(live: Live, name: string, signal: AbortSignal): Promise<boolean> {
  const answer = tryLock(live, name).catch(() => false)
  try {
    return await untilAborted(answer, signal)
  } catch (error) {
    void answer.then((isOurs) => (isOurs ? unlock(live, name) : undefined))
    throw error
  }
}

async function tryLock({ client, backend }: Live, name: string): Promise<boolean> {
  const [row] = await client<{ got: boolean; pid: number }[]>`
    SELECT pg_try_advisory_lock(${HOLD_CLASS}, ${lockOf(name)}) AS got, pg_backend_pid() AS pid`
  return row !== undefined && row.got && row.pid === backend
}

/** A connection that cannot be told has lost it anyway. */
async function unlock({ client }: Live, name: string): Promise<void> {
  await client`SELECT pg_advisory_unlock(${HOLD_CLASS}, ${lockOf(name)})`.catch(() => {})
}

function lockOf(name: string): number {
  return createHash('sha256').update(name).digest().readInt32BE()
}
