import { createHash, type Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'

import type { Algorithm } from '../client/saved-files.ts'

/** How much of a file there is, and running hashes of that. */
export interface HashedHandle<A extends Algorithm = Algorithm> {
  readonly sizeBytes: number
  readonly running: ReadonlyMap<A, Hash>
}

/** Running hashes of nothing yet. */
export function hashesFor<A extends Algorithm>(algorithms: readonly A[]): ReadonlyMap<A, Hash> {
  return new Map(algorithms.map((algorithm) => [algorithm, createHash(algorithm)]))
}

/** The digests of what they have seen so far. */
export function digestsOf<A extends Algorithm>(running: ReadonlyMap<A, Hash>): Readonly<Record<A, string>> {
  const digests = [...running].map(([algorithm, hash]) => [algorithm, hash.copy().digest('hex')] as const)
  // Each algorithm of the map has its entry.
  return Object.fromEntries(digests) as Record<A, string>
}

/** Read an open file from its beginning to its end. The hashes go on from there. */
export async function hashHandle<A extends Algorithm>(
  handle: FileHandle,
  algorithms: readonly A[],
): Promise<HashedHandle<A>> {
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
