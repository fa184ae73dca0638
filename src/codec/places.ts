import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { createTurns } from '../turns.ts'

/** A place among the decoders that may be open. */
export interface Place {
  /**
   * The next piece of the client's.
   *
   * @throws DepotError `BODY_TRUNCATED` (408) when it comes too slowly and somebody else waits for the place; whatever the client's does
   */
  next(): Promise<IteratorResult<Uint8Array>>
  leave(): void
}

/** Some places, each for a client that sends; the others wait in the order they came. */
export interface Places {
  take(pieces: AsyncGenerator<Uint8Array>): Promise<Place>
}

/**
 * A place is kept while its client sends at a pace, or nobody wants it: a few clients that send next to nothing must not keep all others
 * from decoding. One place is taken back for each who waits, and only time spent waiting for the client counts.
 */
export function createPlaces(count: number): Places {
  const turns = createTurns(count)
  /** Taken back, and not free yet. */
  let leaving = 0

  return {
    async take(pieces) {
      await turns.take()
      let [windowMs, windowBytes] = [0, 0]
      let waiting: { since: number; readonly giveUp: (error: DepotError) => void } | undefined
      let isLeaving = false

      const timer = setInterval(() => {
        const now = performance.now()
        if (turns.waiting === 0) [windowMs, windowBytes] = [0, 0]
        else if (waiting !== undefined) windowMs += now - waiting.since
        if (waiting !== undefined) waiting.since = now
        if (windowMs < LIMITS.decoderPaceWindowMs) return
        const slow = (windowBytes / windowMs) * 1000 < LIMITS.decoderBytesPerSecondMin
        if (slow && turns.waiting <= leaving) return
        ;[windowMs, windowBytes] = [0, 0]
        if (!slow || waiting === undefined || isLeaving) return
        isLeaving = true
        leaving++
        waiting.giveUp(tooSlow())
      }, CHECK_MS)
      timer.unref()

      return {
        async next() {
          const since = performance.now()
          try {
            const piece = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
              waiting = { since, giveUp: reject }
              pieces.next().then(resolve, reject)
            })
            if (piece.done !== true) windowBytes += piece.value.byteLength
            return piece
          } finally {
            if (waiting !== undefined) windowMs += performance.now() - waiting.since
            waiting = undefined
          }
        },
        leave() {
          clearInterval(timer)
          if (isLeaving) leaving--
          turns.giveBack()
          // Not waited for: the piece that was asked for last may never come.
          void pieces.return(undefined).catch(() => {})
        },
      }
    },
  }
}

const CHECK_MS = 1000

function tooSlow(): DepotError {
  return new DepotError(
    'BODY_TRUNCATED',
    `others wait to upload, and this comes slower than ${LIMITS.decoderBytesPerSecondMin} bytes a second: send it again`,
    { status: 408 },
  )
}
