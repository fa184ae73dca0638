import { pipeline, Readable, type Transform } from 'node:stream'

import { DepotError } from '../errors.ts'

/**
 * What a decoder makes of the input, with backpressure. Leaving the iteration early ends the decoder and the input.
 *
 * @throws DepotError whatever the input throws, and `CONTENT_MISMATCH` when the decoder refuses it or leaves some of it over
 */
export async function* through(
  input: AsyncIterable<Uint8Array>,
  decoder: Transform & { readonly bytesWritten?: number },
  format: string,
): AsyncGenerator<Uint8Array> {
  let inputBytes = 0
  let ended = false
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const bytes of input) {
      inputBytes += bytes.byteLength
      yield bytes
    }
    ended = true
  }
  pipeline(Readable.from(counted(), { objectMode: false }), decoder, () => {
    // A failure also comes out of the iteration below.
  })
  try {
    yield* decoder as AsyncIterable<Uint8Array>
  } catch (error) {
    throw decodingError(error, format)
  }
  // Some decoders stop in silence at the end of what they know, with input left over.
  if (!ended || (decoder.bytesWritten ?? inputBytes) !== inputBytes) throw notWhole(format, 'bytes follow its end')
}

/** @internal */
export function notWhole(format: string, reason: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', `the body is not whole ${format} data: ${reason}`)
}

function decodingError(error: unknown, format: string): unknown {
  if (error instanceof DepotError || !(error instanceof Error)) return error
  // Where each of the decoders says whose error it is; ERR__ERROR_… is Brotli's.
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  return /^(?:Z_|ZSTD_|ERR__ERROR_|LZMA_|Bzip2Error)/.test(code)
    ? new DepotError('CONTENT_MISMATCH', `the body is not whole ${format} data: ${error.message}`, { cause: error })
    : error
}
