import type { ByteRange } from '../blobs/blob-store.ts'
import { DepotError } from '../errors.ts'
import type { BlobRow, StoredDocument } from '../kv-store.ts'
import type { DepotRequest } from '../protocol.ts'
import { noneMatch, parseRange } from './conditions.ts'
import { headerPairs, KEPT_ON_304, type HeaderList } from './header-list.ts'
import { isStored, lendDocument, smallBody } from './large-document.ts'
import { closeQuietly, type Source } from '../source.ts'

type Asked = Pick<DepotRequest, 'method' | 'headers'>

/** Text that a person reads in their client's output. */
export function textResponse(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Response {
  return bytesResponse(status, body, { 'Content-Type': 'text/plain; charset=utf-8', ...headers })
}

/** Any answer as a GET or HEAD asks for it: a HEAD gets all of it but the body. */
export function responseTo({ method }: Pick<Asked, 'method'>, full: Response): Response {
  return method === 'HEAD' ? new Response(null, full) : full
}

export function jsonResponse(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return jsonTextResponse(status, JSON.stringify(value), headers)
}

/** JSON that was put together in steps, because the whole of it would hold others up. */
export function jsonTextResponse(
  status: number,
  json: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  // What publishers wrote must not become a page, whatever it looks like.
  const own = { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' }
  return bytesResponse(status, json, { ...own, ...headers })
}

function bytesResponse(status: number, body: string, headers: Readonly<Record<string, string>>): Response {
  return new Response(body, { status, headers: { 'Content-Length': String(Buffer.byteLength(body)), ...headers } })
}

/**
 * A document as a GET or HEAD asks for it: 200, or 304 when the client has it. The body of a large one is taken from `sourceOf`.
 *
 * @throws DepotError `STORAGE_DOWN` (503) when it is large and too many others are on their way, or was replaced just now
 */
export async function documentResponse(
  request: Asked,
  document: StoredDocument,
  headers: HeaderList,
): Promise<Response> {
  const answer = new Headers(headerPairs(documentHeaders(document, headers)))
  if (noneMatch(request.headers.get('if-none-match'), document.etag)) return notModified(answer)
  if (request.method === 'HEAD') return new Response(null, { headers: answer })
  const small = smallBody(document.body)
  if (small !== undefined) return new Response(asBody(small), { headers: answer })
  const source = await lendDocument(document)
  if (source === undefined) throw new DepotError('STORAGE_DOWN', 'this was replaced while it was read: try again')
  const response = new Response(null, { headers: answer })
  SOURCES.set(response, { source, range: { start: 0, end: source.sizeBytes } })
  return response
}

function asBody(body: string | Uint8Array): string | Uint8Array<ArrayBuffer> {
  // Stored documents never lie in shared memory; the type only does not know.
  return body as string | Uint8Array<ArrayBuffer>
}

/**
 * The headers of a document's answer: what its route says, and what belongs to the document itself.
 *
 * @param sizeBytes what `bodyBytes` says of its body: a caller that has asked already need not ask twice
 */
export function documentHeaders(
  { body, etag, encoding }: StoredDocument,
  headers: HeaderList,
  sizeBytes = bodyBytes(body),
): string[] {
  const all = [...headers, 'ETag', etag, 'Content-Length', String(sizeBytes)]
  if (encoding !== '') all.push('Content-Encoding', encoding)
  return all
}

/** How many bytes are sent of a document. */
export function bodyBytes(body: StoredDocument['body']): number {
  return isStored(body) ? body.sizeBytes : Buffer.byteLength(body)
}

function notModified(full: Headers): Response {
  const headers = new Headers(KEPT_ON_304.flatMap((name) => (full.has(name) ? [[name, full.get(name) ?? '']] : [])))
  return new Response(null, { status: 304, headers })
}

/** The entity tag of a blob's stored bytes. */
export function storedEtag(row: BlobRow): string {
  return `"${row.storedSha256}"`
}

export interface SourceOptions {
  readonly headers: HeaderList
  readonly etag?: string
}

const SOURCES = new WeakMap<Response, { readonly source: Source; readonly range: ByteRange }>()

/**
 * Bytes with a known length as a GET or HEAD asks for them: whole (200), one range (206), nothing new (304).
 * The source is disposed when its bytes are sent, or not wanted. The body of the response is empty: whoever sends it takes
 * the bytes from `sourceOf`, because web streams have a fifth of a file's speed.
 *
 * @throws DepotError `RANGE_NOT_SATISFIABLE` with the length in Content-Range.
 */
export function sourceResponse(request: Asked, source: Source, { headers, etag }: SourceOptions): Response {
  const answer = new Headers(headerPairs(headers))
  answer.set('Accept-Ranges', 'bytes')
  if (etag !== undefined) answer.set('ETag', etag)
  if (etag !== undefined && noneMatch(request.headers.get('if-none-match'), etag)) {
    release(source)
    return notModified(answer)
  }
  const range = wantedRange(request, etag, source.sizeBytes)
  if (range === 'unsatisfiable') {
    release(source)
    throw new DepotError('RANGE_NOT_SATISFIABLE', `the range lies behind the ${source.sizeBytes} bytes there are`, {
      headers: { 'Content-Range': `bytes */${source.sizeBytes}` },
    })
  }
  const { start, end } = range ?? { start: 0, end: source.sizeBytes }
  answer.set('Content-Length', String(end - start))
  if (range !== undefined) answer.set('Content-Range', `bytes ${start}-${end - 1}/${source.sizeBytes}`)
  const response = new Response(null, { status: range === undefined ? 200 : 206, headers: answer })
  if (request.method === 'HEAD') release(source)
  else SOURCES.set(response, { source, range: { start, end } })
  return response
}

/** The bytes that a response promises, when it was made by `sourceResponse` and has any. */
export function sourceOf(response: Response): { readonly source: Source; readonly range: ByteRange } | undefined {
  return SOURCES.get(response)
}

/**
 * The bytes of a body that `sourceResponse` would send for this request: none for a HEAD, for what the client has, and for a range that
 * lies behind it.
 */
export function wantedBytes(request: Asked, etag: string, sizeBytes: number): ByteRange {
  if (request.method === 'HEAD' || noneMatch(request.headers.get('if-none-match'), etag)) return NO_BYTES
  const range = wantedRange(request, etag, sizeBytes)
  return range === 'unsatisfiable' ? NO_BYTES : (range ?? { start: 0, end: sizeBytes })
}

const NO_BYTES: ByteRange = { start: 0, end: 0 }

function wantedRange(request: Asked, etag: string | undefined, sizeBytes: number): ReturnType<typeof parseRange> {
  const ifRange = request.headers.get('if-range')
  if (ifRange !== null && ifRange !== etag) return undefined
  // A HEAD has no body to take a range of (RFC 9110 §14.2).
  return request.method === 'HEAD' ? undefined : parseRange(request.headers.get('range'), sizeBytes)
}

function release(source: Source): void {
  void closeQuietly(source)
}
