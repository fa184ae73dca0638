import { createHash, type Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'

import type { Algorithm, Hashes } from '../client/saved-files.ts'

/** How much of a file there is, and running hashes of that. */
export interface HashedHandle {
  readonly sizeBytes: number
  readonly running: ReadonlyMap<Algorithm, Hash>
}

/** Running hashes of nothing yet. */
export function hashesFor(algorithms: readonly Algorithm[]): ReadonlyMap<Algorithm, Hash> {
  return new Map(algorithms.map((algorithm) => [algorithm, createHash(algorithm)]))
}

/** The digests of what they have seen so far. */
export function digestsOf(running: ReadonlyMap<Algorithm, Hash>): Hashes {
  return Object.fromEntries([...running].map(([algorithm, hash]) => [algorithm, hash.copy().digest('hex')]))
}

/** Read an open file from its beginning to its end. The hashes go on from there. */
export async function hashHandle(handle: FileHandle, algorithms: readonly Algorithm[]): Promise<HashedHandle> {
  const running = hashesFor(algorithms)
  let sizeBytes = 0
  for await (const piece of handlePieces(handle)) {
    for (const hash of running.values()) hash.update(piece)
    sizeBytes += piece.length
  }
  return { sizeBytes, running }
}

/** From the beginning; the file stays open. */
export async function* handlePieces(handle: FileHandle): AsyncGenerator<Uint8Array> {
  const { size } = await handle.stat()
  // Most files are small: as many large buffers would be collected all the time.
  const highWaterMark = Math.min(PIECE_BYTES, size + 1)
  for await (const piece of handle.createReadStream({ start: 0, autoClose: false, highWaterMark }))
    yield piece as Buffer
}

const PIECE_BYTES = 1 << 20
