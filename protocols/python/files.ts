import { after } from '../../src/after.ts'
import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { HeaderList } from '../../src/http/header-list.ts'
import { redirectResponse } from '../../src/http/redirect.ts'
import { sourceResponse, storedEtag, wantedBytes } from '../../src/http/respond.ts'
import type { Cache, MaybePromise } from '../../src/kv-store.ts'
import type { DepotRequest, HotBlob } from '../../src/protocol.ts'
import type { FileName } from './params.ts'
import { readStatus } from './project.ts'
import type { ProjectName } from './project-name.ts'
import { INTEGRITY_TYPE } from './provenance.ts'
import { FILE_KIND, fileKey, KIND_PREFIX, liveFile, parseStatus, STATUS_KIND, type PythonFile } from './records.ts'
import { compareVersions, parseVersion, type Version } from './version.ts'

type FileRequest = DepotRequest<{ readonly project: ProjectName; readonly file: FileName }>

/** A name never gets other bytes, so clients need not ask again: without this uv fetches `.metadata` at every run. */
const COMMON: HeaderList = [
  'Cache-Control',
  'max-age=365000000, immutable',
  'X-Content-Type-Options',
  'nosniff',
  'Content-Disposition',
  'attachment',
]
const FILE_HEADERS: HeaderList = ['Content-Type', 'application/octet-stream', ...COMMON]
const PROVENANCE_HEADERS: HeaderList = ['Content-Type', INTEGRITY_TYPE, ...COMMON]

/** A distribution file, or the metadata beside it. @throws DepotError `NOT_FOUND`, `RANGE_NOT_SATISFIABLE` */
export async function fileResponse(depot: Depot, request: FileRequest): Promise<Response> {
  const file = await offeredFile(depot, request)
  if (request.params.file.reading?.part === 'metadata')
    return blobResponse(depot, request, file.metadata?.sha256, FILE_HEADERS)
  const row = await depot.blobOf(request.cache, KIND_PREFIX, file.sha256)
  const elsewhere =
    row?.encoding === 'raw'
      ? await redirectResponse(depot, request, row, { headers: FILE_HEADERS, etag: storedEtag(row) })
      : undefined
  return elsewhere ?? blobResponse(depot, request, file.sha256, FILE_HEADERS)
}

/** The same without its handler, where the file is offered and stored as it came. */
export function hotFile(depot: Depot, cache: Cache, { project, file }: FileRequest['params']): HotBlob | undefined {
  const { reading } = file
  if (reading === undefined) return undefined
  const key = fileKey(project.normalized, reading.distribution.filename)
  const known = (): MaybePromise<PythonFile | undefined> => after(depot.kv.get(cache.id, FILE_KIND, key), liveFile)
  const offered = (): MaybePromise<PythonFile | undefined> =>
    after(depot.kv.get(cache.id, STATUS_KIND, project.normalized), (record) =>
      record !== undefined && parseStatus(record).status === 'quarantined' ? undefined : known(),
    )
  const digestOf = ({ sha256, metadata }: PythonFile): string | undefined =>
    reading.part === 'metadata' ? metadata?.sha256 : sha256
  return {
    blob: () =>
      after(offered(), (found) => {
        const digest = found && digestOf(found)
        return digest === undefined ? undefined : depot.kv.blobOf(cache.id, KIND_PREFIX, digest)
      }),
    encoding: 'raw',
    redirects: reading.part === 'content',
    headers: FILE_HEADERS,
    missing: () => after(known(), (found) => found === undefined || digestOf(found) === undefined),
  }
}

/** What the publisher of a file attests (PEP 740). @throws DepotError `NOT_FOUND`, `RANGE_NOT_SATISFIABLE` */
export async function provenanceResponse(
  depot: Depot,
  request: DepotRequest<FileRequest['params'] & { readonly version: Version }>,
): Promise<Response> {
  const { version, file: name } = request.params
  const file = await offeredFile(depot, request)
  const own = parseVersion(file.version)
  if (name.reading?.part !== 'content' || own === undefined || compareVersions(own, version) !== 0) throw notFound()
  return blobResponse(depot, request, file.provenance?.sha256, PROVENANCE_HEADERS)
}

async function offeredFile(depot: Depot, { cache, params }: FileRequest): Promise<PythonFile> {
  const { project, file } = params
  if (file.reading === undefined) throw notFound()
  const key = fileKey(project.normalized, file.reading.distribution.filename)
  const known = liveFile(await depot.get(cache, FILE_KIND, key))
  if (known === undefined) throw notFound()
  const status = await readStatus(depot, cache, project.normalized)
  if (status?.status === 'quarantined') throw notFound()
  return known
}

async function blobResponse(
  depot: Depot,
  request: FileRequest,
  digest: string | undefined,
  headers: HeaderList,
): Promise<Response> {
  const row = digest === undefined ? undefined : await depot.blobOf(request.cache, KIND_PREFIX, digest)
  if (row === undefined) throw notFound()
  const etag = `"${row.digest}"`
  const blob = await depot.open(row, { of: 'content', range: wantedBytes(request, etag, row.sizeBytes) })
  return sourceResponse(request, blob.content(), { headers, etag })
}

function notFound(): DepotError {
  return new DepotError('NOT_FOUND', 'file not found')
}
