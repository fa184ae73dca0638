import { breath } from '../../src/breath.ts'
import { DepotError } from '../../src/errors.ts'
import { decodeText, parseJson } from '../../src/http/body.ts'
import { LIMITS } from '../../src/limits.ts'
import { AttachmentScanner, type Piece } from './attachment-scanner.ts'
import { createBase64Decoder } from './base64.ts'

/** The body of `PUT /{pkg}`, taken apart. */
export type PublishBody<T> =
  | {
      /** All of the JSON, with an empty `data` in the attachment that was taken. */
      readonly document: unknown
      /** The tarball's attachment: its key, and what was made of its bytes. */
      readonly tarball: { readonly file: string; readonly taken: T }
    }
  /** No tarball in it: its text as it came, not yet known to be JSON. */
  | { readonly tarball: undefined; readonly text: readonly Uint8Array[] }

/**
 * Read the body of a publish with bounded memory: `take` gets the decoded tarball while it arrives, and must read it to
 * its end; everything else is kept, up to `LIMITS.npmManifestBytesMax` (without a tarball, `LIMITS.npmDocumentBytesMax`).
 * Any order of keys will do.
 *
 * @throws DepotError `BAD_REQUEST` for what is not JSON or base64 or has two tarballs, `TOO_LARGE`, and what `take` throws
 */
export async function readPublishBody<T>(
  body: AsyncIterable<Uint8Array>,
  take: (tarball: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<PublishBody<T>> {
  const text: Uint8Array[] = []
  let textBytes = 0
  let tarball: { file: string; taken: T } | undefined

  const pieces = scan(body)
  try {
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) {
      const piece = next.value
      if (piece.kind === 'text') {
        textBytes += piece.bytes.byteLength
        const limitBytes = tarball === undefined ? LIMITS.npmDocumentBytesMax : LIMITS.npmManifestBytesMax
        if (textBytes > limitBytes) throw new DepotError('TOO_LARGE', 'the manifest is too large')
        // A copy: the pieces are views, and may lie in a buffer that is used again.
        text.push(Uint8Array.from(piece.bytes))
        // What has arrived already is read without a gap otherwise, and everybody else would wait for all of it.
        await breath()
      } else if (piece.kind === 'open') {
        if (tarball !== undefined) throw new DepotError('BAD_REQUEST', 'a publish carries one tarball, this has two')
        tarball = { file: piece.file, taken: await take(decoded(pieces)) }
      }
    }
  } finally {
    await pieces.return(undefined)
  }
  return tarball === undefined ? { tarball, text } : { tarball, document: parseJson(decodeText(Buffer.concat(text))) }
}

async function* scan(body: AsyncIterable<Uint8Array>): AsyncGenerator<Piece, undefined> {
  const scanner = new AttachmentScanner()
  for await (const chunk of body) yield* scanner.push(chunk)
}

/** The bytes of the attachment that was just opened; ends where its string ends. */
async function* decoded(pieces: AsyncGenerator<Piece, undefined>): AsyncGenerator<Uint8Array> {
  const decoder = createBase64Decoder()
  for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) {
    const piece = next.value
    if (piece.kind === 'close') return decoder.end()
    if (piece.kind === 'data') yield decoder.push(piece.bytes)
  }
  throw new DepotError('BODY_TRUNCATED', 'the body ends inside the attachment')
}
