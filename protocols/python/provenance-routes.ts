import type { Depot } from '../../src/depot.ts'
import { DepotError, hasCode } from '../../src/errors.ts'
import { readText } from '../../src/http/body.ts'
import { textResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { onePiece } from '../../src/one-piece.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { updateFiles } from './change-files.ts'
import { provenanceResponse } from './files.ts'
import { fileParam, projectParam, versionParam, type FileName } from './params.ts'
import type { ProjectName } from './project-name.ts'
import { checkProvenance } from './provenance.ts'
import { FILE_KIND, fileKey, isTombstone, parseFile, wasDeleted, type PythonFile } from './records.ts'
import { compareVersions, parseVersion, type Version } from './version.ts'

/** `/integrity/<project>/<version>/<file>/provenance` (PEP 740): what stands behind a file, as its own index serves it. */
export function provenanceRoutes(depot: Depot): readonly Route[] {
  const pattern = '/integrity/:project/:version/:file/provenance'
  const params = { project: projectParam, version: versionParam, file: fileParam }
  const resource = ({ project }: { readonly project: ProjectName }): string => project.normalized
  return [
    route({
      method: 'GET',
      pattern,
      params,
      action: 'read',
      resource,
      handle: (request) => provenanceResponse(depot, request),
    }),
    route({
      method: 'PUT',
      pattern,
      params,
      action: 'write',
      resource,
      handle: (request) => putProvenance(depot, request),
    }),
  ]
}

type ProvenanceRequest = DepotRequest<{
  readonly project: ProjectName
  readonly version: Version
  readonly file: FileName
}>

/**
 * Take over a file's provenance from another index, byte for byte. The same bytes again change nothing.
 *
 * @throws DepotError `NOT_FOUND` when the file was not sent first, `CONFLICT` when it was deleted or has another provenance, which only
 * an admin replaces, `CONTENT_MISMATCH` (400) when an attestation is about another file, `BAD_REQUEST` for what is no provenance
 */
async function putProvenance(depot: Depot, request: ProvenanceRequest): Promise<Response> {
  const { file: known } = await receivingFile(depot, request)
  const text = await readText(request, LIMITS.pythonProvenanceBytesMax)
  checkProvenance(text, known)
  await using staged = await depot.stage(request.cache, onePiece(Buffer.from(text)), { encoding: 'raw' })
  const row = await staged.publish()
  const outcome = await depot.retryConflicts(async () => {
    const { file, version } = await receivingFile(depot, request)
    if (file.sha256 !== known.sha256) throw noFile()
    const before = file.provenance?.sha256
    if (before === row.digest) {
      await depot.commit(request.cache, { blobs: [row] })
      return 200
    }
    if (before !== undefined) refuseReplacing(request)
    const files = [{ file: { ...file, provenance: { sha256: row.digest } }, version }]
    await updateFiles(depot, request, request.params.project.normalized, { files, what: 'provenance', blobs: [row] })
    return before === undefined ? 201 : 200
  })
  return textResponse(outcome, 'OK\n')
}

async function receivingFile(
  depot: Depot,
  { cache, params }: ProvenanceRequest,
): Promise<{ readonly file: PythonFile; readonly version: number }> {
  const { distribution, part } = params.file.writing()
  if (part !== 'content' || distribution.project !== params.project.normalized) throw noFile()
  const record = await depot.get(cache, FILE_KIND, fileKey(distribution.project, distribution.filename))
  if (record === undefined) throw noFile()
  const file = parseFile(record)
  if (isTombstone(file)) throw wasDeleted(distribution.filename)
  const own = parseVersion(file.version)
  if (own === undefined || compareVersions(own, params.version) !== 0) throw noFile()
  return { file, version: record.version }
}

function noFile(): DepotError {
  return new DepotError('NOT_FOUND', 'file not found: send the file before its provenance')
}

/** What others verified by it would no longer be what they saw. @throws DepotError `CONFLICT` for all but an admin */
function refuseReplacing(request: ProvenanceRequest): void {
  try {
    request.permit('admin', request.params.project.normalized)
  } catch (error) {
    if (!hasCode(error, 'FORBIDDEN') && !hasCode(error, 'UNAUTHENTICATED') && !hasCode(error, 'NOT_FOUND')) throw error
    throw new DepotError('CONFLICT', 'the file has another provenance here, which only an admin replaces', {
      cause: error,
    })
  }
}
