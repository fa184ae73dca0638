import type { FileHandle } from 'node:fs/promises'

import type { ByteRange } from '../../src/blobs/blob-store.ts'
import { LIMITS } from '../../src/limits.ts'

/** A file that is written from its beginning to its end. */
export interface FileWriter {
  /** Append; the caller may reuse `bytes` once it resolves. */
  write(bytes: Uint8Array): Promise<void>
  /** What was written so far; also after a write has failed, because whoever goes on elsewhere then needs all of it. */
  read(range: ByteRange): Promise<Uint8Array>
  /** Hand everything to the file. */
  flush(): Promise<void>
  /** Flush, and when it is to be durable wait until the disk has it. */
  finish(): Promise<void>
  /** Wait for what is under way, whatever becomes of it: a handle is not closed under a write. */
  abandon(): Promise<void>
}

/** Appends in order, with one write and one sync under way at most; an error of either comes out at the next call. */
export function fileWriter(file: FileHandle, { durable }: { readonly durable: boolean }): FileWriter {
  let gathered: Uint8Array | undefined
  let spare: Uint8Array | undefined
  let filled = 0
  let position = 0
  let unsynced = 0
  /** Bytes that were handed to the file, whether it has taken them yet or not. */
  let handed = 0
  let sending: Held = { start: 0, bytes: new Uint8Array(0) }
  let writing = Promise.resolve()
  let syncing = Promise.resolve()

  async function append(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.byteLength;) {
      const { bytesWritten } = await file.write(bytes, offset, bytes.byteLength - offset, position)
      offset += bytesWritten
      position += bytesWritten
    }
    unsynced += bytes.byteLength
    if (!durable || unsynced < LIMITS.syncEveryBytes) return
    // Awaiting the last sync before the next bounds what is dirty to twice the distance.
    await syncing
    unsynced = 0
    syncing = watched(file.datasync())
  }

  async function sendGathered(): Promise<void> {
    await writing
    if (gathered === undefined || filled === 0) return
    const full = gathered
    sending = { start: handed, bytes: full.subarray(0, filled) }
    handed += filled
    writing = watched(append(sending.bytes))
    gathered = spare
    spare = full
    filled = 0
  }

  async function flush(): Promise<void> {
    await sendGathered()
    await writing
  }

  async function gather(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.byteLength;) {
      gathered ??= Buffer.allocUnsafeSlow(LIMITS.writeBufferBytes)
      const piece = bytes.subarray(offset, offset + gathered.byteLength - filled)
      gathered.set(piece, filled)
      filled += piece.byteLength
      offset += piece.byteLength
      if (filled === gathered.byteLength) await sendGathered()
    }
  }

  return {
    async write(bytes) {
      if (bytes.byteLength < LIMITS.writeBufferBytes) return gather(bytes)
      await flush()
      await append(bytes)
      handed += bytes.byteLength
    },
    async read(range) {
      const hasAll = await flush().then(
        () => true,
        () => false,
      )
      const written = await readPart(file, new Uint8Array(range.end - range.start), range.start)
      if (hasAll) return written
      const waiting = { start: handed, bytes: gathered?.subarray(0, filled) ?? new Uint8Array(0) }
      return withHeld(written, range, [sending, waiting])
    },
    flush,
    async finish() {
      await flush()
      await syncing
      if (durable) await file.datasync()
    },
    async abandon() {
      await Promise.allSettled([writing, syncing])
    },
  }
}

/** What was taken in and the file may lack, by its place in the file. */
interface Held {
  readonly start: number
  readonly bytes: Uint8Array
}

/** The bytes of a range: what the file has of them, and behind it what is still in memory. */
function withHeld(written: Uint8Array, { start, end }: ByteRange, held: readonly Held[]): Uint8Array {
  const target = new Uint8Array(end - start)
  target.set(written)
  let filled = written.byteLength
  for (const piece of held) {
    const [from, to] = [Math.max(piece.start, start), Math.min(piece.start + piece.bytes.byteLength, end)]
    if (from >= to || from - start > filled) continue
    target.set(piece.bytes.subarray(from - piece.start, to - piece.start), from - start)
    filled = Math.max(filled, to - start)
  }
  return target.subarray(0, filled)
}

/** A promise that is awaited later; until then its failure must not count as unhandled. */
function watched(promise: Promise<void>): Promise<void> {
  promise.catch(() => {})
  return promise
}

/** Fill `target` from `start` on and return what was filled: less only at the end of the file. */
export async function readPart(file: FileHandle, target: Uint8Array, start: number): Promise<Uint8Array> {
  let filled = 0
  while (filled < target.byteLength) {
    const { bytesRead } = await file.read(target, filled, target.byteLength - filled, start + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return target.subarray(0, filled)
}
