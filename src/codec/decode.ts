import { createHash } from 'node:crypto'
import { createBrotliDecompress, createGunzip } from 'node:zlib'

import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { createPlaces, type Places } from './places.ts'
import { through } from './through.ts'
import { createTurns } from '../turns.ts'
import { shareOf } from '../worker-share.ts'
import { decodeZstd } from './zstd-frames.ts'

/** How a body was compressed; `none`: it is the content itself. */
export type Codec = 'none' | Coding

/** What a header may say of a body. */
export type Coding = 'gzip' | 'xz' | 'bzip2' | 'zstd' | 'br'

/** A body whose codec is known. */
export interface Decoding {
  readonly codec: Codec
  /**
   * The content; iterate it once. A piece is valid until the next one is asked for.
   *
   * @throws DepotError `CONTENT_MISMATCH` when the body is broken, cut short or followed by something else
   */
  readonly content: AsyncIterable<Uint8Array>
  /** The body as it came, once `content` is over. Without a digest it was the content itself. */
  wire(): { readonly sizeBytes: number; readonly sha256?: string }
}

/**
 * Recognise the codec of a body and decode it, off the event loop and within limits of memory. Names and headers do not count:
 * Nix sends gzip as plain `.nar`. Brotli alone has no first bytes to be recognised by, so that somebody must say it.
 *
 * @param plain the first bytes of content that is not compressed
 * @param coding what the body is, whatever its first bytes look like
 * @throws DepotError `UNSUPPORTED_CODEC`, `CONTENT_MISMATCH` for an empty body, and whatever the body throws
 */
export async function decode(body: AsyncIterable<Uint8Array>, plain: Uint8Array, coding?: 'br'): Promise<Decoding> {
  const { head, rest } = await peek(body, Math.max(plain.byteLength, MAGIC_BYTES_MAX))
  const codec = coding ?? codecOf(head, plain)
  if (codec === undefined) throw await refusal(head, plain, rest)
  let sizeBytes = 0
  const hash = codec === 'none' ? undefined : createHash('sha256')
  async function* wire(): AsyncGenerator<Uint8Array> {
    for await (const bytes of rest) {
      sizeBytes += bytes.byteLength
      hash?.update(bytes)
      yield bytes
    }
  }
  return {
    codec,
    content: codec === 'none' ? wire() : inTurn(codec, wire(), uploads),
    wire: () => ({ sizeBytes, ...(hash === undefined ? {} : { sha256: hash.digest('hex') }) }),
  }
}

/**
 * Decode a body as a header says, within the same limits; iterate it once. A piece is valid until the next one is asked for.
 *
 * @param purpose `read` for what is decoded while a client reads it
 * @throws DepotError `CONTENT_MISMATCH` when the body is broken, cut short or followed by something else
 */
export async function* decodeAs(
  coding: Coding,
  body: AsyncIterable<Uint8Array>,
  purpose: 'upload' | 'read' = 'upload',
): AsyncGenerator<Uint8Array> {
  async function* wire(): AsyncGenerator<Uint8Array> {
    yield* body
  }
  yield* inTurn(coding, wire(), purpose === 'upload' ? uploads : reads)
}

type Decoder = (input: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

/** Native code and threads are loaded by the first body that needs them: most servers never see a bzip2 file. */
const DECODERS: Readonly<Record<Coding, () => Decoder | Promise<Decoder>>> = {
  br: () => (input) => through(input, createBrotliDecompress({ chunkSize: LIMITS.decoderOutputBytes }), 'brotli'),
  gzip: () => (input) => through(input, createGunzip({ chunkSize: LIMITS.decoderOutputBytes }), 'gzip'),
  zstd: () => decodeZstd,
  xz: async () => (await import('../node/xz.ts')).decodeXz,
  bzip2: async () => (await import('../node/bzip2.ts')).decodeBzip2,
}

/** Bounds the memory of all decoders. */
const uploads = createPlaces(LIMITS.decodersOpenMax)
/** Of their own: whoever reads slowly must not keep anybody from writing. */
const reads = createPlaces(LIMITS.decodersReadMax)
/** Bounds the processors they take from everybody else. */
const working = createTurns(shareOf(LIMITS.decodersMax))

/**
 * A decoder holds its turn while it has something to decode, and gives it back while its client is silent: four slow uploads must
 * not stop all others.
 */
async function* inTurn(codec: Coding, wire: AsyncGenerator<Uint8Array>, places: Places): AsyncGenerator<Uint8Array> {
  // Whoever has sent next to nothing waits outside.
  const { rest } = await peek(wire, LIMITS.decoderHeadBytes)
  const place = await places.take(rest)
  async function* awaited(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = await place.next()
      if (next.done === true) return
      await working.take()
      try {
        yield next.value
      } finally {
        working.giveBack()
      }
    }
  }
  try {
    const decoder = await DECODERS[codec]()
    yield* decoder(awaited())
  } finally {
    place.leave()
  }
}

const MAGIC_BYTES_MAX = 6

const MAGICS: readonly (readonly [codec: Codec, magic: readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  // Files of pzstd open with a frame that is skipped; the low half of its first byte is free (RFC 8878 §3.1.2).
  ...Array.from({ length: 16 }, (_, low) => ['zstd', [0x50 + low, 0x2a, 0x4d, 0x18]] as const),
]

function codecOf(head: Uint8Array, plain: Uint8Array): Codec | undefined {
  if (head.byteLength >= plain.byteLength && startsWith(head, plain)) return 'none'
  return MAGICS.find(([, magic]) => head.byteLength >= magic.length && startsWith(head, Uint8Array.from(magic)))?.[0]
}

function startsWith(head: Uint8Array, magic: Uint8Array): boolean {
  return Buffer.compare(head.subarray(0, magic.byteLength), magic.subarray(0, head.byteLength)) === 0
}

const OTHERS: readonly (readonly [name: string, magic: readonly number[]])[] = [
  ['lz4', [0x04, 0x22, 0x4d, 0x18]],
  ['lzip', [0x4c, 0x5a, 0x49, 0x50]],
]

async function refusal(head: Uint8Array, plain: Uint8Array, rest: AsyncGenerator<Uint8Array>): Promise<DepotError> {
  await rest.return(undefined)
  const known = [plain, ...MAGICS.map(([, magic]) => Uint8Array.from(magic))]
  if (known.some((magic) => head.byteLength < magic.byteLength && startsWith(head, magic)))
    return new DepotError('CONTENT_MISMATCH', `the body ends after ${head.byteLength} bytes`)
  const other = OTHERS.find(([, magic]) => startsWith(head, Uint8Array.from(magic)))?.[0]
  const what =
    other === undefined ? 'neither an archive nor compressed in a way that' : `compressed with ${other}, which`
  return new DepotError(
    'UNSUPPORTED_CODEC',
    `the body is ${what} this depot does not read (it reads xz, zstd, gzip, bzip2, and br by its suffix): add ?compression=zstd to the URL you copy to`,
  )
}

/** The first `count` bytes, fewer when there are no more, and the whole body again. */
async function peek(
  body: AsyncIterable<Uint8Array>,
  count: number,
): Promise<{ readonly head: Uint8Array; readonly rest: AsyncGenerator<Uint8Array> }> {
  const pieces = body[Symbol.asyncIterator]()
  let head = new Uint8Array(0)
  while (head.byteLength < count) {
    const next = await pieces.next()
    if (next.done === true) break
    head = head.byteLength === 0 ? Uint8Array.from(next.value) : Buffer.concat([head, next.value])
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      if (head.byteLength > 0) yield head
      for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value
    } finally {
      await pieces.return?.()
    }
  }
  return { head, rest: whole() }
}
