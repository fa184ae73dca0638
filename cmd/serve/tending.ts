import { setTimeout as sleep } from 'node:timers/promises'

import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import type { Protocol } from '../../src/protocol.ts'

/** What the server that works on what is stored holds in the database. */
const TURN = 'tend'

/**
 * Do what the protocols do beside answering, in one server of a database at a time: the others wait, and one of them goes on when it ends.
 * What fails as it may, because the storage is down or full, is tried again; a bug is told, and not. Disposing ends it.
 *
 * @param pauseMs until it is tried again
 */
export function tendInTurn(
  depot: Depot,
  protocols: readonly Protocol[],
  pauseMs: number = LIMITS.tendPauseMs,
): AsyncDisposable {
  const stop = new AbortController()
  const tended = tendUntilDone({ depot, stop: stop.signal, pauseMs }, protocols)
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await tended
    },
  }
}

interface Turn {
  readonly depot: Depot
  readonly stop: AbortSignal
  readonly pauseMs: number
}

async function tendUntilDone(turn: Turn, protocols: readonly Protocol[]): Promise<void> {
  const { depot, stop, pauseMs } = turn
  let left: readonly Protocol[] = protocols.filter(({ tend }) => tend !== undefined)
  try {
    while (left.length > 0 && !stop.aborted) {
      const { again, isLost } = await tendOnce(turn, left)
      left = again
      // A turn that was lost comes again as soon as the database gives it.
      if (left.length > 0 && !isLost) await sleep(pauseMs, undefined, { signal: stop })
    }
  } catch (error) {
    if (!stop.aborted) depot.events.unexpectedError('tending', error)
  }
}

/** Returns who has to do it again, and whether that is because the turn was lost. */
async function tendOnce(
  turn: Turn,
  protocols: readonly Protocol[],
): Promise<{ readonly again: readonly Protocol[]; readonly isLost: boolean }> {
  await using held = await turn.depot.kv.hold(TURN, turn.stop)
  const signal = AbortSignal.any([turn.stop, held.lost])
  const done = await Promise.all(protocols.map((protocol) => tend(turn, protocol, signal)))
  // The database that was lost took what was under way with it.
  const isLost = held.lost.aborted
  return { again: isLost ? protocols : protocols.filter((_, index) => done[index] === false), isLost }
}

/** False when it has to be done again. */
async function tend({ depot, pauseMs }: Turn, protocol: Protocol, signal: AbortSignal): Promise<boolean> {
  try {
    await protocol.tend?.(depot, signal)
    return true
  } catch (error) {
    if (signal.aborted) return false
    if (!(error instanceof DepotError)) {
      depot.events.unexpectedError(`tending ${protocol.name}`, error)
      return true
    }
    depot.events.tendingFailed(protocol.name, error.code, error.message, pauseMs)
    return false
  }
}
