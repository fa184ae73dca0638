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

/** All that there is now, from the beginning; the file stays open. Each piece is in memory of its own. */
export async function* handlePieces(handle: FileHandle): AsyncGenerator<Uint8Array> {
  const { size } = await handle.stat()
  // No stream: where most files are small, making one is more work than reading them.
  for (let at = 0; at < size;) {
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, size - at))
    const { bytesRead } = await handle.read(piece, 0, piece.length, at)
    if (bytesRead === 0) return
    yield piece.subarray(0, bytesRead)
    at += bytesRead
  }
}

const PIECE_BYTES = 1 << 20
