import { decodeAs, type Coding } from '../../src/codec/decode.ts'
import { DepotError } from '../../src/errors.ts'
import { decodeText } from '../../src/http/body.ts'
import type { DepotRequest } from '../../src/protocol.ts'

type WithBody = Pick<DepotRequest, 'body' | 'headers'>

/** What clients may set `narinfo-compression`, `ls-compression` and `log-compression` to, as far as it can be read here. */
const CODINGS: ReadonlyMap<string, Coding> = new Map(
  (['gzip', 'br', 'zstd', 'xz', 'bzip2'] as const).map((coding) => [coding, coding]),
)

/**
 * The body of a small resource with its Content-Encoding taken off. Newer clients compress the transfer itself when their URL asks
 * for it; it is stored without, because older clients read nothing else. The limit holds before and after.
 *
 * @throws DepotError `UNSUPPORTED_CODEC`, `TOO_LARGE`, `BODY_TRUNCATED`, `CONTENT_MISMATCH` for what is not in that coding
 */
export async function* plainBody({ body, headers }: WithBody, limitBytes: number): AsyncGenerator<Uint8Array> {
  const name = codingName(headers)
  if (name === 'identity') return yield* body(limitBytes)
  const coding = CODINGS.get(name)
  if (coding === undefined)
    throw new DepotError(
      'UNSUPPORTED_CODEC',
      'this depot does not read that Content-Encoding: use zstd, xz, bzip2, gzip or br in narinfo-compression, ls-compression and log-compression, or leave them out of the URL',
    )
  let sizeBytes = 0
  for await (const piece of decodeAs(coding, body(limitBytes))) {
    sizeBytes += piece.byteLength
    if (sizeBytes > limitBytes) throw new DepotError('TOO_LARGE', `more than ${limitBytes} bytes, decompressed`)
    yield piece
  }
}

/** The same as one UTF-8 text. @throws DepotError as `plainBody`, and `BAD_REQUEST` for bytes that are not UTF-8 */
export async function readPlainText(request: WithBody, limitBytes: number): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of plainBody(request, limitBytes)) pieces.push(Uint8Array.from(piece))
  return decodeText(Buffer.concat(pieces))
}

/**
 * For archives, which are compressed themselves: no client sends them with a Content-Encoding.
 *
 * @throws DepotError `UNSUPPORTED_CODEC`
 */
export function refuseContentEncoding({ headers }: Pick<DepotRequest, 'headers'>): void {
  if (codingName(headers) === 'identity') return
  throw new DepotError(
    'UNSUPPORTED_CODEC',
    'this depot does not take archives with a Content-Encoding: add ?compression=zstd to the URL you copy to',
  )
}

function codingName(headers: Headers): string {
  return (headers.get('content-encoding') ?? 'identity').trim().toLowerCase()
}
