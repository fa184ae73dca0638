import { createHash } from 'node:crypto'

import { DepotError } from '../errors.ts'
import { blobName, carriedBlobs, MANIFEST_NAME, SIGNATURE_NAME, type BundledBlob } from './layout.ts'
import { printManifest, type Manifest } from './manifest.ts'
import type { ManifestDigests } from './read-tar.ts'
import { paddingBytes, tarHeader, TRAILER_BYTES } from './ustar.ts'

/** What is written: the other half of `BundleContent`. */
export interface BundleToWrite {
  readonly manifest: Manifest
  readonly digests: ManifestDigests
  readonly signature: string | undefined
  /** The bytes of a blob from `start` on, wherever they lie; each piece is good until the next is asked for. */
  pieces(blob: BundledBlob, start?: number): AsyncIterable<Uint8Array>
}

/** The digests of a manifest as it will be written. */
export function digestManifest(manifest: Manifest): ManifestDigests {
  const [sha256, sha512] = [createHash('sha256'), createHash('sha512')]
  let sizeBytes = 0
  for (const line of printManifest(manifest)) {
    sha256.update(line)
    sha512.update(line)
    sizeBytes += Buffer.byteLength(line)
  }
  return { sha256: sha256.digest('hex'), sha512: sha512.digest('hex'), sizeBytes }
}

/**
 * The tar form, piece by piece. A piece is good until the next is asked for.
 *
 * @throws DepotError `CONTENT_MISMATCH` when a blob is not what the manifest says: somebody changed the file meanwhile
 */
export async function* writeTarBundle(bundle: BundleToWrite): AsyncGenerator<Uint8Array, void, undefined> {
  const { manifest, digests, signature } = bundle
  yield tarHeader(MANIFEST_NAME, digests.sizeBytes)
  for (const line of printManifest(manifest)) yield Buffer.from(line)
  yield new Uint8Array(paddingBytes(digests.sizeBytes))
  if (signature !== undefined) {
    yield tarHeader(SIGNATURE_NAME, signature.length)
    yield Buffer.from(signature, 'latin1')
    yield new Uint8Array(paddingBytes(signature.length))
  }
  for (const blob of carriedBlobs(manifest.files)) {
    yield tarHeader(blobName(blob.sha256), blob.sizeBytes)
    yield* held(blob, bundle.pieces(blob))
    yield new Uint8Array(paddingBytes(blob.sizeBytes))
  }
  yield new Uint8Array(TRAILER_BYTES)
}

/** The same pieces. @throws DepotError `CONTENT_MISMATCH` behind the last one when all of them are not this blob */
export async function* held(blob: BundledBlob, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const piece of pieces) {
    hash.update(piece)
    sizeBytes += piece.length
    if (sizeBytes > blob.sizeBytes) break
    yield piece
  }
  const sha256 = hash.digest('hex')
  if (sizeBytes > blob.sizeBytes) throw mismatch(blob, `has more than ${blob.sizeBytes} bytes`)
  if (sizeBytes < blob.sizeBytes) throw mismatch(blob, `has ${sizeBytes} bytes instead of ${blob.sizeBytes}`)
  if (sha256 !== blob.sha256) throw mismatch(blob, `has the sha256 ${sha256}`)
}

function mismatch({ sha256 }: BundledBlob, what: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', `blob ${sha256} ${what}`)
}
