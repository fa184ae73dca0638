import type { Readable } from 'node:stream'

import { freeMemory } from '../../../src/free-memory.ts'
import { LIMITS } from '../../../src/limits.ts'
import { takeBody } from '../../../src/node/reading-agent.ts'
import { BodyCut } from './errors.ts'

/** The body of an answer, read in order by whoever wants more, one read at a time; little is taken from its connection ahead of that. */
export interface Body {
  /** Fill `target` from the front and return how much of it: less only where the body ends. @throws BodyCut, or what cut it */
  read(target: Uint8Array): Promise<number>
  /** Read past so many bytes. */
  skip(count: number): Promise<void>
  /** Let go of it. Its connection is kept for others when the body was read whole, and closed otherwise. */
  release(isWhole: boolean): void
}

/** A read that waits. */
interface Want {
  readonly count: number
  taken: number
  readonly use: (piece: Uint8Array, at: number) => void
  readonly resolve: (taken: number) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/**
 * @param sizeBytes how much of it there is
 * @param stallMs so long may a reader wait for the next byte
 */
export function bodyOf(stream: Readable, sizeBytes: number, stallMs: number): Body {
  let queue: Uint8Array[] = []
  let queuedBytes = 0
  let state: 'open' | 'ended' | Error = 'open'
  let want: Want | undefined
  /** What brings the bytes, once somebody wants any: the answer, or its connection. */
  let flow: Pick<Readable, 'pause' | 'resume' | 'isPaused'> | undefined

  function feed(): void {
    for (let piece = queue[0]; want !== undefined && piece !== undefined; piece = queue[0]) {
      const part = piece.subarray(0, want.count - want.taken)
      want.use(part, want.taken)
      want.taken += part.byteLength
      queuedBytes -= part.byteLength
      if (part.byteLength < piece.byteLength) queue[0] = piece.subarray(part.byteLength)
      else {
        queue.shift()
        if (flow === stream) freeMemory(piece)
      }
      if (want.taken === want.count) settleWant()
    }
    if (want !== undefined && state !== 'open') settleWant()
  }

  function settleWant(): void {
    if (want === undefined) return
    const { count, taken, resolve, reject, timer } = want
    want = undefined
    clearTimeout(timer)
    if (taken < count && state instanceof Error) reject(state)
    else resolve(taken)
  }

  function settle(next: typeof state): void {
    if (state === 'open') state = next
    feed()
  }

  function arrived(piece: Uint8Array): void {
    queue.push(piece)
    queuedBytes += piece.byteLength
    want?.timer.refresh()
    feed()
    if (queuedBytes >= aheadBytes()) flow?.pause()
  }

  /** How much may lie in the queue before no more is taken: the buffer of a connection is for the next bytes as soon as these are used. */
  const aheadBytes = (): number => (flow === stream ? LIMITS.s3AheadBytes : 1)

  function begin(): void {
    flow = takeBody(stream, sizeBytes, arrived, () => settle('ended')) ?? stream
    if (flow === stream) stream.on('data', arrived)
    else if (queuedBytes < aheadBytes()) flow.resume()
  }

  function stalled(): void {
    settle(new BodyCut(`no byte for ${stallMs} ms`))
    stream.destroy()
  }

  function take(count: number, use: Want['use']): Promise<number> {
    if (want !== undefined) throw new Error('one read at a time')
    return new Promise((resolve, reject) => {
      want = { count, taken: 0, use, resolve, reject, timer: setTimeout(stalled, stallMs) }
      if (count === 0) settleWant()
      feed()
      if (flow === undefined) begin()
      else if (queuedBytes < aheadBytes() && flow.isPaused()) flow.resume()
    })
  }

  /** What is left of a body that was read whole is its end, which frees the connection. */
  function awaitEnd(): void {
    stream.off('data', arrived)
    if (state === 'open') {
      // One that goes on, or does not end, would hold it for ever.
      stream.once('data', () => stream.destroy())
      const timer = setTimeout(() => stream.destroy(), stallMs).unref()
      stream.once('close', () => clearTimeout(timer))
    }
    stream.resume()
  }

  stream.on('end', () => settle('ended'))
  stream.on('error', (error) => settle(error))
  stream.on('close', () => settle(new BodyCut('the body ended early')))
  return {
    read: (target) => take(target.byteLength, (piece, at) => target.set(piece, at)),
    async skip(count) {
      if (count > 0) await take(count, () => {})
    },
    release(isWhole) {
      queue = []
      const isTaken = flow !== undefined && flow !== stream
      if (isWhole && !isTaken && queuedBytes === 0 && !stream.destroyed) awaitEnd()
      else stream.destroy()
    },
  }
}
