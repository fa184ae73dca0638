import type { ServerResponse } from 'node:http'

import type { App } from '../app.ts'
import { blobLocation } from '../blob-location.ts'
import type { BlobStore } from '../blob-store.ts'
import type { Admitted, RawRequest } from '../gate.ts'
import { noneMatch } from '../http/conditions.ts'
import { isLarge, lendDocument } from '../http/large-document.ts'
import { documentHeaders, notModifiedHeaders, privately, storedEtag } from '../http/respond.ts'
import type { BlobRow } from '../kv-store.ts'
import { LIMITS } from '../limits.ts'
import type { HeaderList, HotRead } from '../protocol.ts'
import { createRecent } from '../recent.ts'
import type { Source } from '../source.ts'
import { sendSource } from './send.ts'

/** An answer that is ready to be written. */
export interface HotAnswer {
  readonly status: 200 | 304
  readonly headers: string[]
  readonly body: string | Uint8Array
  /** How a text becomes bytes; a small blob is one character a byte. */
  readonly textEncoding: 'utf8' | 'latin1'
  /** Set in place of the body of a large document, and disposed when it is sent. */
  readonly source?: Source
}

/**
 * The answer to a GET or HEAD that one stored row gives, or undefined when the request needs its handler: another method, a
 * range, a row that is not there. What it answers is what the handler would have answered.
 */
export async function hotAnswer(app: App, admitted: Admitted, request: RawRequest): Promise<HotAnswer | undefined> {
  const { match } = admitted
  if (match.route.hot === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return undefined
  const read = match.route.hot(match.params, {
    cache: match.mount.cache,
    header: (name) => request.header(name),
    baseUrl: baseUrlOf(app, admitted, request),
  })
  if (read === undefined) return undefined
  const own = admitted.open ? read : { ...read, headers: privateHeaders(read.headers) }
  return 'document' in own ? documentAnswer(app, own, request) : blobAnswer(app, admitted, own, request)
}

function privateHeaders(headers: HeaderList): HeaderList {
  const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'cache-control')
  if (at === -1) return [...headers, 'Cache-Control', privately(null)]
  return headers.with(at + 1, privately(headers[at + 1] ?? ''))
}

function baseUrlOf(app: App, { match }: Admitted, request: RawRequest): string | undefined {
  const base = app.site.baseUrl(request.header('host'))
  return base === undefined ? undefined : base + match.mount.path
}

async function documentAnswer(
  app: App,
  read: Extract<HotRead, { document: unknown }>,
  request: RawRequest,
): Promise<HotAnswer | undefined> {
  const found = app.depot.kv.document(read.document)
  const document = (found instanceof Promise ? await found : found) ?? (await read.otherwise?.())
  if (document === undefined) return undefined
  const headers = documentHeaders(document, read.headers)
  const answer = conditional(request, { etag: document.etag, headers, body: document.body, textEncoding: 'utf8' })
  if (answer.status === 304 || request.method === 'HEAD' || !isLarge(document)) return answer
  return { ...answer, body: '', source: lendDocument(document) }
}

async function blobAnswer(
  app: App,
  { match }: Admitted,
  read: Extract<HotRead, { blob: unknown }>,
  request: RawRequest,
): Promise<HotAnswer | undefined> {
  const { kv, blobs } = app.depot
  if (blobs.readInline === undefined || request.header('range') !== undefined) return undefined
  const found = kv.blobOf(match.mount.cache.id, read.kindPrefix, read.blob)
  const row = found instanceof Promise ? await found : found
  if (row === undefined || row.encoding !== read.encoding || row.storedBytes > LIMITS.inlineReadBytesMax)
    return undefined
  const body = recentBlobs.get(row.storedSha256) ?? readInline(blobs, row)
  if (body === undefined) return undefined
  const headers = [
    ...read.headers,
    'Accept-Ranges',
    'bytes',
    'ETag',
    storedEtag(row),
    'Content-Length',
    `${row.storedBytes}`,
  ]
  return conditional(request, { etag: storedEtag(row), headers, body, textEncoding: 'latin1' })
}

/**
 * Stored bytes of small blobs by their own hash, so they need no check beyond the row that was just read. As text, because Node then sends
 * head and body in one call.
 */
const recentBlobs = createRecent(LIMITS.recentBlobBytesMax)

function readInline(blobs: BlobStore, row: BlobRow): string | undefined {
  const bytes = blobs.readInline?.(blobLocation(row.domain, row.digest), row.storedBytes)
  if (bytes === undefined) return undefined
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  recentBlobs.put(row.storedSha256, text)
  return text
}

function conditional(
  request: RawRequest,
  { etag, ...full }: Omit<HotAnswer, 'status'> & { readonly etag: string },
): HotAnswer {
  if (!noneMatch(request.header('if-none-match'), etag)) return { status: 200, ...full }
  return { status: 304, headers: notModifiedHeaders(full.headers), body: '', textEncoding: 'utf8' }
}

export async function sendHot(
  outgoing: ServerResponse,
  { status, headers, body, textEncoding, source }: HotAnswer,
  method: string,
): Promise<void> {
  if (source !== undefined)
    return sendSource(outgoing, { status, headers }, source, { start: 0, end: source.sizeBytes })
  outgoing.writeHead(status, headers)
  if (method === 'HEAD' || status === 304) outgoing.end()
  else if (typeof body === 'string') outgoing.end(body, textEncoding)
  else outgoing.end(body)
}
