import type { ServerResponse } from 'node:http'

import { after } from '../after.ts'
import type { Admission, App } from '../app.ts'
import type { Admitted, RawRequest } from '../gate.ts'
import { hasCode } from '../errors.ts'
import { noneMatch } from '../http/conditions.ts'
import { notModifiedHeaders, privately, type HeaderList } from '../http/header-list.ts'
import { lendDocument, smallBody } from '../http/large-document.ts'
import { redirectHeaders } from '../http/redirect.ts'
import { bodyBytes, documentHeaders, storedEtag } from '../http/respond.ts'
import type { BlobRow, MaybePromise, StoredDocument } from '../kv-store.ts'
import type { HotBlob, HotDocument } from '../protocol.ts'
import type { Reader } from '../redirects.ts'
import { NOTHING_HERE } from '../refusals.ts'
import { closeQuietly, type Source } from '../source.ts'
import { asOneCall, readSmallBlob } from './recent-blobs.ts'

/** An answer that is ready to be written. */
export interface HotAnswer {
  readonly status: number
  /** In place of the usual reason phrase, when not empty. */
  readonly statusText: string
  readonly headers: string[]
  readonly body: string | Uint8Array
  /** How a text becomes bytes: `latin1` for one of which each character is a byte. */
  readonly textEncoding: 'utf8' | 'latin1'
  /** Set in place of the body of what is large, and disposed when it is sent. */
  readonly source?: Source
}

/** A request on its way to an answer. */
export interface Asked {
  readonly requestId: string
  readonly request: RawRequest
  /** True while the client holds its body back until it is told to go on. */
  readonly expectsContinue: boolean
}

/**
 * The answer to a GET or HEAD that one stored row gives, or that there is none to give: refused at the gate, or known to be missing. It is
 * what the handler would have answered. Undefined when the request needs its handler: another method, a range, a row that is not there yet.
 *
 * Where nothing has to be waited for it is returned at once. It never throws: what fails here fails in the handler again.
 */
export function hotAnswer(app: App, asked: Asked, admission: Admission): MaybePromise<HotAnswer | undefined> {
  try {
    if (!isBare(asked)) return undefined
    if ('refused' in admission) return refusal(app, asked, admission.refused)
    const answer = rowAnswer(app, asked, admission.admitted)
    if (!(answer instanceof Promise)) return answer
    return answer.catch((error: unknown) =>
      // Storage that has been waited for in vain is not waited for once more.
      hasCode(error, 'STORAGE_DOWN') ? refusal(app, asked, error, admission.admitted) : undefined,
    )
  } catch {
    return undefined
  }
}

/** A read without a body: nothing of it is still to come when its answer leaves, and nothing that its client holds back. */
function isBare({ request, expectsContinue }: Asked): boolean {
  return (
    (request.method === 'GET' || request.method === 'HEAD') &&
    !expectsContinue &&
    request.header('content-length') === undefined &&
    request.header('transfer-encoding') === undefined
  )
}

/** What a request that failed is answered with, once told to the events. */
export function refusal(app: App, { requestId, request }: Asked, error: unknown, admitted?: Admitted): HotAnswer {
  const { headers, ...answer } = app.refuse(error, { requestId, raw: request, admitted })
  return { ...answer, headers: Object.entries(headers).flat(), textEncoding: 'utf8' }
}

function rowAnswer(app: App, asked: Asked, admitted: Admitted): MaybePromise<HotAnswer | undefined> {
  const { request } = asked
  const { route, params, mount } = admitted.match
  const read = route.hot?.(params, {
    cache: mount.cache,
    header: request.header,
    baseUrl: () => baseUrlOf(app, admitted, request),
  })
  if (read === undefined) return undefined
  const headers = admitted.open ? read.headers : privateHeaders(read.headers)
  const found =
    'document' in read ? documentAnswer(app, read, headers, request) : blobAnswer(app, read, headers, request)
  return after(found, (answer) => {
    if (answer !== 'nothing') return answer
    if (read.missing === undefined) return undefined
    return after(read.missing(), (sure) => (sure ? refusal(app, asked, NOTHING_HERE, admitted) : undefined))
  })
}

type Found = MaybePromise<HotAnswer | 'nothing' | undefined>

/** By the list that a route has made once. */
const PRIVATE = new WeakMap<HeaderList, HeaderList>()

function privateHeaders(headers: HeaderList): HeaderList {
  const known = PRIVATE.get(headers)
  if (known !== undefined) return known
  const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'cache-control')
  const own =
    at === -1 ? [...headers, 'Cache-Control', privately(null)] : headers.with(at + 1, privately(headers[at + 1] ?? ''))
  PRIVATE.set(headers, own)
  return own
}

function baseUrlOf(app: App, { match }: Admitted, request: RawRequest): string | undefined {
  const base = app.site.baseUrl(request.header('host'))
  return base === undefined ? undefined : base + match.mount.path
}

function documentAnswer(app: App, read: HotDocument, headers: HeaderList, request: RawRequest): Found {
  return after(app.depot.kv.document(read.document), (stored) =>
    stored === undefined && read.otherwise !== undefined
      ? after(read.otherwise(), (other) => ofDocument(other, headers, request))
      : ofDocument(stored, headers, request),
  )
}

function ofDocument(document: StoredDocument | undefined, own: HeaderList, request: RawRequest): Found {
  if (document === undefined) return 'nothing'
  const sizeBytes = bodyBytes(document.body)
  const headers = documentHeaders(document, own, sizeBytes)
  if (isNotModified(request, document.etag)) return notModified(headers)
  if (request.method === 'HEAD') return whole(headers, '', 'latin1')
  const body = smallBody(document.body)
  if (body === undefined)
    return after(lendDocument(document), (source) => source && { ...whole(headers, '', 'latin1'), source })
  if (typeof body !== 'string') return whole(headers, asOneCall(body), 'latin1')
  // ASCII only: Node copies three bytes for each character of what may be more.
  return whole(headers, body, body.length === sizeBytes ? 'latin1' : 'utf8')
}

function blobAnswer(app: App, read: HotBlob, headers: HeaderList, request: RawRequest): Found {
  if (request.header('range') !== undefined) return undefined
  return after(read.blob(), (row) => {
    if (row === undefined) return 'nothing'
    return row.encoding === read.encoding ? ofBlob(app, row, { ...read, headers }, request) : undefined
  })
}

function ofBlob(app: App, row: BlobRow, read: HotBlob, request: RawRequest): MaybePromise<HotAnswer> {
  if (!read.redirects || request.method !== 'GET' || isNotModified(request, storedEtag(row)))
    return sentBlob(app, row, read.headers, request)
  const url = app.depot.urlOf(row, readerOf(request), read.headers)
  if (url === undefined) return sentBlob(app, row, read.headers, request)
  return url.then((found) =>
    found === undefined ? sentBlob(app, row, read.headers, request) : elsewhere(Object.entries(redirectHeaders(found))),
  )
}

function readerOf({ address, header }: RawRequest): Reader {
  return { address, host: header('host'), hasCredentials: header('authorization') !== undefined }
}

function sentBlob(app: App, row: BlobRow, own: HeaderList, request: RawRequest): MaybePromise<HotAnswer> {
  const etag = storedEtag(row)
  const headers = [...own, 'Accept-Ranges', 'bytes', 'ETag', etag, 'Content-Length', `${row.storedBytes}`]
  const isKnown = isNotModified(request, etag)
  const body = readSmallBlob(app.depot.blobs, row)
  if (body !== undefined) return isKnown ? notModified(headers) : whole(headers, body, 'latin1')
  const isWanted = !isKnown && request.method !== 'HEAD'
  return app.depot
    .open(row, { of: 'stored', range: { start: 0, end: isWanted ? row.storedBytes : 0 } })
    .then((blob) => {
      if (isWanted) return { ...whole(headers, '', 'latin1'), source: blob.stored() }
      void closeQuietly(blob)
      return isKnown ? notModified(headers) : whole(headers, '', 'latin1')
    })
}

function isNotModified(request: RawRequest, etag: string): boolean {
  const known = request.header('if-none-match')
  return known !== undefined && noneMatch(known, etag)
}

function whole(headers: string[], body: string | Uint8Array, textEncoding: HotAnswer['textEncoding']): HotAnswer {
  return { status: 200, statusText: '', headers, body, textEncoding }
}

function elsewhere(headers: readonly [string, string][]): HotAnswer {
  return { status: 302, statusText: '', headers: headers.flat(), body: '', textEncoding: 'latin1' }
}

function notModified(full: HeaderList): HotAnswer {
  return { status: 304, statusText: '', headers: notModifiedHeaders(full), body: '', textEncoding: 'latin1' }
}

/** Write out an answer without a source. */
export function sendHot(
  outgoing: ServerResponse,
  { status, statusText, headers, body, textEncoding }: Omit<HotAnswer, 'source'>,
  method: string,
): void {
  if (statusText === '') outgoing.writeHead(status, headers)
  else outgoing.writeHead(status, statusText, headers)
  if (method === 'HEAD' || status === 304) outgoing.end()
  else if (typeof body === 'string') outgoing.end(body, textEncoding)
  else outgoing.end(body)
}
