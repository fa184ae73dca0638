import { createHash } from 'node:crypto'

import { decodeAs } from '../../src/codec/decode.ts'
import { DepotError, hasCode } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import type { LocalLog, LocalStore } from '../../src/local-store.ts'
import type { Source } from '../../src/source.ts'

/** A log that can be sent. */
export interface FoundLog {
  readonly source: Source
  readonly etag: string
}

/**
 * The log of a derivation that the local store keeps, decoded. It is read twice, so that its length is known before its first byte
 * leaves and a file of any size takes no memory. One that is not whole yet counts as none, as it does for Nix itself, and so does one
 * above `LIMITS.buildLogBytesMax`.
 *
 * @throws DepotError `STORAGE_DOWN`
 */
export async function findLocalLog(store: LocalStore | undefined, derivation: string): Promise<FoundLog | undefined> {
  const log = store?.log(derivation)
  const measured = log && (await measure(log))
  if (store === undefined || measured === undefined) return undefined
  const { sizeBytes, digest } = measured
  const source: Source = {
    sizeBytes,
    chunks: ({ start, end }) => part(store.log(derivation), start, end),
    // The file is open only while it is read.
    async [Symbol.asyncDispose]() {},
  }
  return { source, etag: `"${digest}"` }
}

interface Measured {
  readonly sizeBytes: number
  /** Hexadecimal. */
  readonly digest: string
}

async function measure(log: LocalLog): Promise<Measured | undefined> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  try {
    for await (const piece of contentOf(log)) {
      sizeBytes += piece.byteLength
      if (sizeBytes > LIMITS.buildLogBytesMax) return undefined
      hash.update(piece)
    }
  } catch (error) {
    if (hasCode(error, 'CONTENT_MISMATCH')) return undefined
    throw error
  }
  return { sizeBytes, digest: hash.digest('hex') }
}

async function* part(log: LocalLog | undefined, start: number, end: number): AsyncGenerator<Uint8Array> {
  let position = 0
  for await (const piece of log === undefined ? [] : contentOf(log)) {
    const [from, to] = [Math.max(start - position, 0), Math.min(end - position, piece.byteLength)]
    position += piece.byteLength
    if (from < to) yield piece.subarray(from, to)
    // It may have grown meanwhile.
    if (position >= end) return
  }
  if (position < end) throw new DepotError('CONTENT_MISMATCH', 'a log of the local store became shorter')
}

function contentOf({ coding, bytes }: LocalLog): AsyncIterable<Uint8Array> {
  return coding === 'none' ? bytes : decodeAs(coding, bytes, 'read')
}
