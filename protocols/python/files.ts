import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { sourceResponse } from '../../src/http/respond.ts'
import type { DepotRequest, HeaderList } from '../../src/protocol.ts'
import type { FileName } from './params.ts'
import type { ProjectName } from './project-name.ts'
import { FILE_KIND, fileKey, KIND_PREFIX, parseFile } from './records.ts'

/** A name never gets other bytes, so clients need not ask again: without this uv fetches `.metadata` at every run. */
const HEADERS: HeaderList = [
  'Content-Type',
  'application/octet-stream',
  'Cache-Control',
  'max-age=365000000, immutable',
  'X-Content-Type-Options',
  'nosniff',
  'Content-Disposition',
  'attachment',
]

/** A distribution file, or the METADATA beside a wheel. @throws DepotError `NOT_FOUND`, `RANGE_NOT_SATISFIABLE` */
export async function fileResponse(
  depot: Depot,
  request: DepotRequest<{ readonly project: ProjectName; readonly file: FileName }>,
): Promise<Response> {
  const { project, file } = request.params
  if (file.reading === undefined) throw notFound()
  const { distribution, part } = file.reading
  const record = await depot.get(request.cache, FILE_KIND, fileKey(project.normalized, distribution.filename))
  if (record === undefined) throw notFound()
  const known = parseFile(record)
  const digest = part === 'content' ? known.sha256 : known.metadata?.sha256
  const row = digest === undefined ? undefined : await depot.blobOf(request.cache, KIND_PREFIX, digest)
  if (row === undefined) throw notFound()
  const blob = await depot.open(row)
  return sourceResponse(request, blob.content(), { headers: HEADERS, etag: `"${row.digest}"` })
}

function notFound(): DepotError {
  return new DepotError('NOT_FOUND', 'file not found')
}
