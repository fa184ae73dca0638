import { createHash } from 'node:crypto'

import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { blobName, carriedBlobs, MANIFEST_NAME, SIGNATURE_NAME, type BundledBlob } from './layout.ts'
import { createManifestReader, type Manifest } from './manifest.ts'
import { BLOCK_BYTES, paddingBytes, sizeInHeader, tarHeader, TRAILER_BYTES } from './ustar.ts'

/** What a signature of a manifest is over. */
export interface ManifestDigests {
  /** In hex: the name of the bundle. */
  readonly sha256: string
  /** In hex. */
  readonly sha512: string
  readonly sizeBytes: number
}

/** A blob on its way: all of it is read before the next is asked for. */
export interface ArrivingBlob extends BundledBlob {
  /** Each piece is good until the next is asked for. @throws DepotError `CONTENT_MISMATCH` when it ends early */
  readonly pieces: AsyncIterable<Uint8Array>
}

/** A bundle from its beginning to its end. Nothing of it is verified but that it has the form of one. */
export interface BundleContent {
  readonly manifest: Manifest
  readonly digests: ManifestDigests
  /** As it was written; undefined when the bundle is not signed. */
  readonly signature: string | undefined
  /** What it carries, in order; may be asked for once. @throws DepotError `CONTENT_MISMATCH` for whatever is not as the manifest says */
  blobs(): AsyncGenerator<ArrivingBlob, void, undefined>
}

/**
 * Read the tar form as it arrives. The manifest tells which bytes have to follow, so each header is compared with the one that has to
 * stand there: there is no room for links, other names, extended headers or anything else that tar knows.
 *
 * @throws DepotError `CONTENT_MISMATCH`, `TOO_LARGE`, and whatever the input throws
 */
export async function readTarBundle(input: AsyncIterable<Uint8Array>): Promise<BundleContent> {
  const source = createTaker(input)
  const manifestBytes = sizeInHeader(await source.take(BLOCK_BYTES), MANIFEST_NAME)
  if (manifestBytes === undefined) throw mismatch('not a bundle: it does not begin with a manifest')
  const { manifest, digests } = await readManifest(source.pieces(manifestBytes))
  await source.zeros(paddingBytes(manifestBytes))

  let block: Uint8Array | undefined = await source.take(BLOCK_BYTES)
  const signatureBytes = sizeInHeader(block, SIGNATURE_NAME)
  let signature: string | undefined
  if (signatureBytes !== undefined) {
    block = undefined
    signature = signatureText(await source.take(checkSignatureBytes(signatureBytes)))
    await source.zeros(paddingBytes(signatureBytes))
  }
  return {
    manifest,
    digests,
    signature,
    async *blobs() {
      for (const blob of carriedBlobs(manifest.files)) {
        const expected = tarHeader(blobName(blob.sha256), blob.sizeBytes)
        await expectBytes(source, block, expected, `${blobName(blob.sha256)} does not stand where it has to`)
        block = undefined
        const pieces = source.pieces(blob.sizeBytes)
        yield { ...blob, pieces }
        for await (const _ of pieces);
        await source.zeros(paddingBytes(blob.sizeBytes))
      }
      await expectBytes(source, block, new Uint8Array(TRAILER_BYTES), 'something follows the last blob')
      if (!(await source.ended())) throw mismatch('something follows the end of the bundle')
    },
  }
}

/** Read a manifest, hashing it. @throws DepotError `CONTENT_MISMATCH`, `TOO_LARGE` */
export async function readManifest(
  pieces: AsyncIterable<Uint8Array>,
): Promise<{ readonly manifest: Manifest; readonly digests: ManifestDigests }> {
  const reader = createManifestReader()
  const [sha256, sha512] = [createHash('sha256'), createHash('sha512')]
  let sizeBytes = 0
  for await (const piece of pieces) {
    sizeBytes += piece.length
    if (sizeBytes > LIMITS.bundleManifestBytesMax)
      throw new DepotError('TOO_LARGE', `the manifest is larger than ${LIMITS.bundleManifestBytesMax} bytes`)
    sha256.update(piece)
    sha512.update(piece)
    reader.push(piece)
  }
  return {
    manifest: reader.end(),
    digests: { sha256: sha256.digest('hex'), sha512: sha512.digest('hex'), sizeBytes },
  }
}

/** @throws DepotError `TOO_LARGE` */
export function checkSignatureBytes(sizeBytes: number): number {
  if (sizeBytes > LIMITS.bundleSignatureBytesMax)
    throw new DepotError('TOO_LARGE', `the signature is larger than ${LIMITS.bundleSignatureBytesMax} bytes`)
  return sizeBytes
}

/** Signatures are ASCII; what is not will be no signature. */
export function signatureText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

async function expectBytes(source: Taker, begun: Uint8Array | undefined, expected: Uint8Array, why: string) {
  const more = await source.take(expected.length - (begun?.length ?? 0))
  if (Buffer.compare(begun === undefined ? more : Buffer.concat([begun, more]), expected) !== 0)
    throw mismatch(`the bundle is damaged, or not in order: ${why}`)
}

interface Taker {
  /** So many bytes in one piece, which stays good. */
  take(sizeBytes: number): Promise<Uint8Array>
  /** So many bytes as they come. */
  pieces(sizeBytes: number): AsyncGenerator<Uint8Array, void, undefined>
  zeros(sizeBytes: number): Promise<void>
  ended(): Promise<boolean>
}

function createTaker(input: AsyncIterable<Uint8Array>): Taker {
  const iterator = input[Symbol.asyncIterator]()
  let held: Uint8Array = new Uint8Array()

  async function more(): Promise<boolean> {
    while (held.length === 0) {
      const next = await iterator.next()
      if (next.done === true) return false
      held = next.value
    }
    return true
  }

  async function* pieces(sizeBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = sizeBytes; left > 0;) {
      if (!(await more())) throw mismatch('the bundle ends early: it was cut, or a volume of it is missing')
      const piece = held.subarray(0, left)
      held = held.subarray(piece.length)
      left -= piece.length
      yield piece
    }
  }

  async function take(sizeBytes: number): Promise<Uint8Array> {
    const taken = Buffer.alloc(sizeBytes)
    let at = 0
    for await (const piece of pieces(sizeBytes)) {
      taken.set(piece, at)
      at += piece.length
    }
    return taken
  }

  return {
    take,
    pieces,
    async zeros(sizeBytes) {
      if ((await take(sizeBytes)).some((byte) => byte !== 0)) throw mismatch('the bundle is damaged between two files')
    },
    ended: async () => !(await more()),
  }
}

function mismatch(message: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', message)
}
