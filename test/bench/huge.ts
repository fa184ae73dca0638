import { createHash } from 'node:crypto'
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
 * Send an archive of one file to a depot. The name must be the hash, so the same pseudo-random content is made twice: once to hash it, once to
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

function* hugeContent(sizeBytes: number): Generator<Buffer> {
  const { head, tail } = fileArchive(sizeBytes)
  yield head
  // One megabyte that hardly compresses, numbered so that no two pieces are alike.
  const piece = Buffer.alloc(1_000_000)
  for (let at = 0; at < piece.length; at++) piece[at] = Math.imul(at, 2_654_435_761) >>> 24
  for (let sent = 0; sent < sizeBytes; sent += piece.length) {
    const next = Buffer.from(piece.subarray(0, Math.min(piece.length, sizeBytes - sent)))
    next.writeUInt32LE(sent / piece.length, 0)
    yield next
  }
  yield tail
}
