import { Readable, pipeline, type Duplex } from 'node:stream'
import { constants, createGunzip, createZstdDecompress } from 'node:zlib'

import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { bunzip2 } from '../node/bzip2.ts'
import { createXzDecoder } from '../node/xz.ts'
import { createSemaphore } from './semaphore.ts'
import { MAGIC_BYTES, sniffCodec, type Codec } from './sniff.ts'
import { createFrameCutter } from './zstd-frames.ts'

export type ReadableCodec = Exclude<Codec, 'unknown'>

export interface Decoded {
  readonly codec: ReadableCodec
  /**
   * What was compressed, decoded off the event loop and only as fast as it is taken.
   *
   * @throws DepotError `CONTENT_MISMATCH` when the input is damaged, cut, or goes on behind its end; and what the input throws
   */
  readonly content: AsyncIterable<Uint8Array>
}

const decoders = createSemaphore(LIMITS.decodersMax)

/**
 * Decode an upload by what its first bytes say.
 *
 * @throws DepotError `UNSUPPORTED_CODEC` (415) for lz4, lzip, brotli and what else is not known; and what the input throws
 */
export async function decodeUpload(body: AsyncIterable<Uint8Array>): Promise<Decoded> {
  const { head, whole } = await peek(body, MAGIC_BYTES)
  const codec = sniffCodec(head)
  if (codec === 'unknown') {
    throw new DepotError(
      'UNSUPPORTED_CODEC',
      'neither a Nix archive nor compressed with xz, gzip, bzip2 or zstd: send it with ?compression=zstd (or xz, none)',
    )
  }
  return { codec, content: codec === 'none' ? whole : limitedDecoders(codec, whole) }
}

async function* limitedDecoders(codec: ReadableCodec, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  using _slot = await decoders.acquire()
  yield* decoderOf(codec, body)
}

function decoderOf(codec: ReadableCodec, body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  switch (codec) {
    case 'none':
      return body
    case 'gzip':
      return through(body, createGunzip({ chunkSize: LIMITS.readBufferBytes }), 'gzip')
    case 'xz':
      return through(body, createXzDecoder(), 'xz')
    case 'bzip2':
      return bunzip2(body)
    case 'zstd':
      return unzstd(body)
  }
}

async function* unzstd(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const cutter = createFrameCutter()
  const pieces = (async function* () {
    for await (const bytes of body) yield* cutter.cut(bytes)
    if (!cutter.atBorder) throw new DepotError('CONTENT_MISMATCH', 'the zstd data ends in the middle of a frame')
  })()
  try {
    for (let piece = await pieces.next(); piece.done !== true; piece = await pieces.next()) {
      if (!piece.value.content) continue
      const first = piece.value
      async function* frame(): AsyncGenerator<Uint8Array> {
        yield first.bytes
        for (let ended = first.ends; !ended;) {
          const next = await pieces.next()
          if (next.done === true) return
          yield next.value.bytes
          ended = next.value.ends
        }
      }
      yield* through(frame(), zstdDecoder(), 'zstd')
    }
  } finally {
    await pieces.return(undefined)
  }
}

function zstdDecoder(): Duplex {
  return createZstdDecompress({
    params: { [constants.ZSTD_d_windowLogMax]: LIMITS.zstdWindowLogMax },
    chunkSize: LIMITS.readBufferBytes,
  })
}

/** Run input through a transform and translate its complaints; what the input itself throws stays as it is. */
async function* through(body: AsyncIterable<Uint8Array>, transform: Duplex, codec: string): AsyncGenerator<Uint8Array> {
  const output = pipeline(Readable.from(body, { objectMode: false }), transform, () => {})
  try {
    yield* output as AsyncIterable<Uint8Array>
  } catch (error) {
    if (error instanceof DepotError) throw error
    throw new DepotError('CONTENT_MISMATCH', `the ${codec} data is damaged, cut or followed by something else`, {
      cause: error,
    })
  }
}

/** The first bytes, and everything including them. */
async function peek(
  body: AsyncIterable<Uint8Array>,
  bytes: number,
): Promise<{ readonly head: Uint8Array; readonly whole: AsyncIterable<Uint8Array> }> {
  const iterator = body[Symbol.asyncIterator]()
  const taken: Uint8Array[] = []
  let length = 0
  let ended = false
  while (length < bytes && !ended) {
    const next = await iterator.next()
    if (next.done === true) ended = true
    else {
      taken.push(Uint8Array.from(next.value))
      length += next.value.byteLength
    }
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      yield* taken
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value
    } finally {
      await iterator.return?.()
    }
  }
  return { head: Buffer.concat(taken).subarray(0, bytes), whole: whole() }
}
