import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { readText } from '../../src/http/body.ts'
import type { HeaderList } from '../../src/http/header-list.ts'
import { jsonResponse, sourceResponse, storedEtag, wantedBytes } from '../../src/http/respond.ts'
import type { Cache } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { onePiece } from '../../src/one-piece.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { npmAuditEntry } from './audit-line.ts'
import { parseAttestations, parseProvenance, requireSubject } from './attestation.ts'
import { sha512Of } from './integrity.ts'
import { parsePackageName } from './package-name.ts'
import { loadVersion } from './packages.ts'
import { KIND, KIND_PREFIX, readAttestation, readTarball, versionKey } from './records.ts'
import { parseVersion } from './version.ts'

/**
 * `/-/npm/v1/attestations/{name}@{version}`: statements about how a version was made, which `npm audit signatures` reads. They come
 * with a publish, or are brought in as another registry answers with them.
 */
export function attestationRoutes(depot: Depot): readonly Route[] {
  return [
    route({
      method: 'GET',
      pattern: '/-/npm/v1/attestations/:spec',
      params: { spec: parseSpec },
      action: 'read',
      resource: ({ spec }) => spec.name,
      handle: (request) => getAttestations(depot, request),
    }),
    route({
      method: 'PUT',
      pattern: '/-/npm/v1/attestations/:spec',
      params: { spec: parseSpec },
      action: 'write',
      resource: ({ spec }) => spec.name,
      handle: (request) => putAttestations(depot, request),
    }),
  ]
}

interface Spec {
  readonly name: string
  readonly version: string
}

/** `name@version`. */
function parseSpec(segment: string): Spec | undefined {
  const at = segment.lastIndexOf('@')
  const name = parsePackageName(segment.slice(0, Math.max(at, 0)))
  const version = parseVersion(segment.slice(at + 1))
  return name === undefined || version === undefined ? undefined : { name, version }
}

const HEADERS: HeaderList = [
  'Content-Type',
  'application/json',
  'Cache-Control',
  'no-cache',
  'X-Content-Type-Options',
  'nosniff',
]

async function getAttestations(depot: Depot, request: DepotRequest<{ spec: Spec }>): Promise<Response> {
  const { cache, params } = request
  const { name, version } = params.spec
  const found = await depot.get(cache, KIND.attestation, versionKey(name, version))
  // A deleted version takes its statement along, whoever deleted it.
  const live = found && (await loadVersion(depot, cache, name, version))
  const kept = live && readAttestation(found.value, live)
  if (kept === undefined) throw missing(params.spec)
  if ('bundle' in kept) {
    const { predicateType, bundle } = parseProvenance(kept.bundle)
    return jsonResponse(200, { attestations: [{ predicateType, bundle }] }, { 'Cache-Control': 'no-cache' })
  }
  const row = await depot.blobOf(cache, KIND_PREFIX, kept.digest)
  if (row === undefined) throw missing(params.spec)
  const etag = storedEtag(row)
  const blob = await depot.open(row, { of: 'stored', range: wantedBytes(request, etag, row.storedBytes) })
  return sourceResponse(request, blob.stored(), { headers: HEADERS, etag })
}

function missing({ name, version }: Spec): DepotError {
  return new DepotError('NOT_FOUND', `there are no attestations of ${name}@${version}`)
}

/** Keep what another registry answers about a version, byte for byte. Its tarball is here by then; its manifest may come later. */
async function putAttestations(depot: Depot, request: DepotRequest<{ spec: Spec }>): Promise<Response> {
  const { cache, params } = request
  const { name, version } = params.spec
  const text = await readText(request, LIMITS.npmAttestationsBytesMax)
  const attestations = parseAttestations(text)
  await using staged = await depot.stage(cache, onePiece(Buffer.from(text)), { encoding: 'raw' })
  const { digest } = staged
  const key = versionKey(name, version)
  const isNew = await depot.retryConflicts(async () => {
    const subject = await requireTarball(depot, cache, params.spec)
    for (const attestation of attestations) requireSubject(attestation, { name, version, sha512: subject.sha512 })
    const before = await depot.get(cache, KIND.attestation, key)
    const kept = before && readAttestation(before.value, subject)
    const isSame = kept !== undefined && 'digest' in kept && kept.digest === digest
    if (kept !== undefined && !isSame && subject.kind === KIND.version)
      throw new DepotError('CONFLICT', `there are other attestations of ${key} already, and they stay`)
    const row = await staged.publish()
    const value = JSON.stringify({ digest, tarball: subject.digest })
    const put = { kind: KIND.attestation, key, value, expected: before?.version ?? 0, refs: [digest] }
    await depot.commit(cache, {
      present: [{ kind: subject.kind, key }],
      puts: isSame ? [] : [put],
      // The same bytes again heal a damaged blob.
      blobs: [row],
      audit: [npmAuditEntry(request, name, { action: 'write', part: version, what: 'attestations', digest })],
    })
    return !isSame
  })
  return jsonResponse(isNew ? 201 : 200, { ok: 'the attestations are here', success: true })
}

/** A tarball that is here. */
interface SubjectHere {
  /** That of a version, which everybody can read, or one that waits for its manifest. */
  readonly kind: string
  /** Its sha256. */
  readonly digest: string
  readonly sha512: string
}

/** The tarball that attestations have to be about. @throws DepotError `NOT_FOUND` */
async function requireTarball(depot: Depot, cache: Cache, { name, version }: Spec): Promise<SubjectHere> {
  const key = versionKey(name, version)
  // Before the version: whoever adds that takes the tarball away in the same commit.
  const waiting = await depot.get(cache, KIND.tarball, key)
  const record = await loadVersion(depot, cache, name, version)
  if (record !== undefined) {
    const { digest, manifest } = record
    return { kind: KIND.version, digest, sha512: sha512Of(String(manifest.dist['integrity'])) }
  }
  if (waiting === undefined) throw new DepotError('NOT_FOUND', `there is no tarball of ${key}: send it first`)
  const { digest, sha512 } = readTarball(waiting.value)
  return { kind: KIND.tarball, digest, sha512 }
}
