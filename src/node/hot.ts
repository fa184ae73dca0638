import type { ServerResponse } from 'node:http'

import type { App } from '../app.ts'
import { blobLocation } from '../blob-location.ts'
import type { Admitted, RawRequest } from '../gate.ts'
import { noneMatch } from '../http/conditions.ts'
import { documentHeaders, notModifiedHeaders, storedEtag } from '../http/respond.ts'
import { LIMITS } from '../limits.ts'
import type { HotRead } from '../protocol.ts'

/** An answer that is ready to be written. */
export interface HotAnswer {
  readonly status: 200 | 304
  readonly headers: string[]
  readonly body: string | Uint8Array
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
  return 'document' in read ? documentAnswer(app, read, request) : blobAnswer(app, admitted, read, request)
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
  const document = found instanceof Promise ? await found : found
  if (document === undefined) return undefined
  return conditional(request, document.etag, documentHeaders(document, read.headers), document.body)
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
  const bytes = blobs.readInline(blobLocation(row.domain, row.digest), row.storedBytes)
  if (bytes === undefined) return undefined
  const headers = [
    ...read.headers,
    'Accept-Ranges',
    'bytes',
    'ETag',
    storedEtag(row),
    'Content-Length',
    `${row.storedBytes}`,
  ]
  return conditional(request, storedEtag(row), headers, bytes)
}

function conditional(request: RawRequest, etag: string, headers: string[], body: string | Uint8Array): HotAnswer {
  if (noneMatch(request.header('if-none-match'), etag))
    return { status: 304, headers: notModifiedHeaders(headers), body: '' }
  return { status: 200, headers, body }
}

/** Write it; returns the number of body bytes sent. */
export function sendHot(outgoing: ServerResponse, { status, headers, body }: HotAnswer, method: string): number {
  outgoing.writeHead(status, headers)
  if (method === 'HEAD' || status === 304) {
    outgoing.end()
    return 0
  }
  outgoing.end(body)
  return typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
}
