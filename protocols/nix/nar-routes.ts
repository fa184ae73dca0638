import { after } from '../../src/after.ts'
import { brotliContainer, gzipContainer, xzContainer } from '../../src/codec/containers.ts'
import type { Depot, OpenBlob, Reads } from '../../src/depot.ts'
import { DepotError, hasCode } from '../../src/errors.ts'
import type { HeaderList } from '../../src/http/header-list.ts'
import { redirectResponse } from '../../src/http/redirect.ts'
import { sourceResponse, storedEtag, textResponse, wantedBytes } from '../../src/http/respond.ts'
import type { Source } from '../../src/source.ts'
import type { BlobRow, Cache, MaybePromise } from '../../src/kv-store.ts'
import type { LocalStore } from '../../src/local-store.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { refuseContentEncoding } from './content-encoding.ts'
import { findLocal, localSource } from './local-path.ts'
import { parseNarName, parseNarRequest, type NarName, type NarRequest } from './nar-name.ts'
import type { NarinfoRules } from './narinfo-rules.ts'
import { KIND_PREFIX, parseUpload, UPLOAD_KIND, type Upload } from './records.ts'
import { storeNar } from './store-nar.ts'

const PATTERN = '/nar/:file'
const PARAMS = { file: parseNarName }
/** The name is a hash of what it names. No Content-Encoding: Nix resumes a cut download only without one. */
const HEADERS: HeaderList = ['Content-Type', 'application/x-nix-nar', 'Cache-Control', 'max-age=31536000, immutable']

/** `PUT nar/<hash>.nar[.<suffix>]`: one archive, in whatever codec the client chose. */
export function narUpload(depot: Depot): Route {
  return route({
    method: 'PUT',
    pattern: PATTERN,
    params: PARAMS,
    action: 'write',
    async handle(request) {
      refuseContentEncoding(request)
      const outcome = await storeNar(depot, request, request.params.file)
      return textResponse(outcome === 'created' ? 201 : 200, '')
    },
  })
}

/** `GET nar/<NarHash>.nar[.zst]`, every name under which an archive came in, and `<store hash>-<NarHash>.nar`, also of the local store. */
export function narDownload(depot: Depot, { localStore }: Pick<NarinfoRules, 'localStore'>): Route {
  return route({
    method: 'GET',
    pattern: PATTERN,
    params: { file: parseNarRequest },
    action: 'read',
    hot: ({ file }, { cache }) =>
      file.suffix === 'zst'
        ? {
            blob: () => depot.kv.blobOf(cache.id, KIND_PREFIX, file.digest),
            encoding: 'zstd',
            redirects: true,
            headers: HEADERS,
            missing: () => isMissing(depot, cache, file, localStore),
          }
        : undefined,
    handle: (request) => narResponse(depot, request, localStore),
  })
}

async function narResponse(
  depot: Depot,
  request: DepotRequest<{ readonly file: NarRequest }>,
  localStore: LocalStore | undefined,
): Promise<Response> {
  const { params } = request
  const found = await findNar(depot, request.cache, params.file)
  const elsewhere =
    found?.form === 'stored'
      ? await redirectResponse(depot, request, found.row, { headers: HEADERS, etag: etagOf(found.row, found.form) })
      : undefined
  if (elsewhere !== undefined) return elsewhere
  const nar = (found && (await storedNar(depot, request, found))) ?? localNar(localStore, params.file)
  if (nar === undefined) throw notFound()
  return sourceResponse(request, nar.source, { headers: HEADERS, etag: nar.etag })
}

/** Whether nothing came in under this name of an archive that is not here, and no local path has it. */
function isMissing(
  depot: Depot,
  cache: Cache,
  file: NarRequest,
  localStore: LocalStore | undefined,
): MaybePromise<boolean> {
  return after(
    depot.kv.get(cache.id, UPLOAD_KIND, file.fileName),
    (record) => record === undefined && localNar(localStore, file) === undefined,
  )
}

/** An archive that can be sent. */
interface Nar {
  readonly source: Source
  readonly etag: string
}

async function storedNar(depot: Depot, request: DepotRequest<unknown>, { row, form }: Found): Promise<Nar | undefined> {
  const etag = etagOf(row, form)
  const blob = await depot.open(row, readsOf(request, row, form, etag)).catch((error: unknown) => {
    if (hasCode(error, 'NOT_FOUND')) return undefined
    throw error
  })
  return blob && { source: sourceOf(blob, form), etag }
}

function localNar(localStore: LocalStore | undefined, { storeHash, digest }: NarRequest): Nar | undefined {
  const found = storeHash === undefined ? undefined : findLocal(localStore, storeHash)
  return found?.entry.narHash === digest ? { source: localSource(found), etag: `"${digest}"` } : undefined
}

/** How a NAR is written out. */
type Form = 'stored' | 'plain' | 'xz' | 'br' | { readonly gzipCrc: number }

interface Found {
  readonly row: BlobRow
  readonly form: Form
}

async function findNar(depot: Depot, cache: Cache, file: NarName): Promise<Found | undefined> {
  const record = await depot.get(cache, UPLOAD_KIND, file.fileName)
  const form = record === undefined ? synthetic(file) : formOf(parseUpload(record))
  const digest = record === undefined ? file.digest : parseUpload(record).narHash
  const row = form === undefined ? undefined : await depot.blobOf(cache, KIND_PREFIX, digest)
  return form && row && { row, form }
}

/** The names that every archive has, however it came in. */
function synthetic({ suffix }: NarName): Form | undefined {
  if (suffix === 'zst') return 'stored'
  return suffix === '' ? 'plain' : undefined
}

/** A client holds the narinfo it uploaded, and decodes by the compression named there; bzip2 cannot be written at copy speed. */
function formOf({ codec, crc }: Upload): Form | undefined {
  switch (codec) {
    case 'none':
      return 'plain'
    case 'zstd':
      return 'stored'
    case 'xz':
    case 'br':
      return codec
    case 'gzip':
      return { gzipCrc: crc }
    case 'bzip2':
      return undefined
  }
}

function readsOf(request: DepotRequest<unknown>, row: BlobRow, form: Form, etag: string): Reads {
  if (form === 'stored') return { of: 'stored', range: wantedBytes(request, etag, row.storedBytes) }
  const range = wantedBytes(request, etag, row.sizeBytes)
  // A container is longer than its content, so that a range of it says nothing of where to begin.
  const isPart = form !== 'plain' && range.start < range.end
  return { of: 'content', range: isPart ? { start: 0, end: row.sizeBytes } : range }
}

function sourceOf(blob: OpenBlob, form: Form): Source {
  if (form === 'stored') return blob.stored()
  const content = blob.content()
  switch (form) {
    case 'plain':
      return content
    case 'xz':
      return xzContainer({ content, sha256: blob.row.digest })
    case 'br':
      return brotliContainer({ content })
    default:
      return gzipContainer({ content, crc: form.gzipCrc })
  }
}

function etagOf(row: BlobRow, form: Form): string {
  if (form === 'stored') return storedEtag(row)
  if (form === 'plain') return `"${row.digest}"`
  return `"${row.digest}-${typeof form === 'string' ? form : 'gzip'}"`
}

function notFound(): DepotError {
  return new DepotError('NOT_FOUND', 'NAR file not found')
}
