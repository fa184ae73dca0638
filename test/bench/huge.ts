import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'

import { nix32 } from '../helpers/nar.ts'
import { fileArchive } from './nar.ts'

/** An archive that a depot has. */
export interface Sent {
  /** In base 32, as it is asked for. */
  readonly name: string
  /** sha256 as 64 hex digits, as it lies on the disk. */
  readonly digest: string
  /** That the sending took. */
  readonly seconds: number
}

/**
 * Send an archive of one file to a depot. The name must be the hash, so the same content is made twice: once to hash it, once to
 * send it.
 */
export async function sendHuge(url: string, sizeBytes: number): Promise<Sent> {
  const hash = createHash('sha256')
  for (const bytes of hugeContent(sizeBytes)) hash.update(bytes)
  const digest = hash.digest()
  const name = nix32(digest)
  const since = performance.now()
  const { head, tail } = fileArchive(sizeBytes)
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const headers = { 'Content-Length': sizeBytes + head.length + tail.length }
  const outgoing = request(`${url}/nix/nar/${name}.nar`, { method: 'PUT', headers }, (answer) => {
    answer.resume()
    answer.once('end', () => resolve(answer.statusCode ?? 0))
  })
  outgoing.once('error', reject)
  for (const bytes of hugeContent(sizeBytes)) {
    if (!outgoing.write(bytes)) await new Promise((drained) => outgoing.once('drain', drained))
  }
  outgoing.end()
  const status = await promise
  if (status !== 201) throw new Error(`the huge archive was answered ${status}`)
  return { name, digest: digest.toString('hex'), seconds: (performance.now() - since) / 1000 }
}

/** More than a compressor looks back: what comes again is no match to it. */
const PIECE_BYTES = 16_000_000
let piece: Buffer | undefined

/** Of random bytes, the same each time, so that what is stored is as long as what was sent. */
function* hugeContent(sizeBytes: number): Generator<Buffer> {
  const { head, tail } = fileArchive(sizeBytes)
  piece ??= randomBytes(PIECE_BYTES)
  yield head
  for (let sent = 0; sent < sizeBytes; sent += PIECE_BYTES) {
    const next = Buffer.from(piece.subarray(0, Math.min(PIECE_BYTES, sizeBytes - sent)))
    next.writeUInt32LE(sent / PIECE_BYTES, 0)
    yield next
  }
  yield tail
}
