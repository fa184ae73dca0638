import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { readJson } from '../../src/http/body.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import type { Cache, Commit } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { addVersion, cannotPublishOver } from './add-version.ts'
import { npmAuditEntry } from './audit-line.ts'
import { hashMismatch, sha512Of, type TarballHashes } from './integrity.ts'
import { keptManifest, parseManifest, type Manifest } from './manifest.ts'
import { moveTag } from './move-tag.ts'
import { parsePackageName } from './package-name.ts'
import { KIND, readTarball, versionKey, type VersionRecord } from './records.ts'
import type { SigningKey } from './signing.ts'
import { requireOwnName, stageTarball, type StagedTarball } from './stage-tarball.ts'
import { parseTarballFile, tarballVersion } from './tarball-name.ts'
import { loadForWrite } from './tombstones.ts'
import { parseSelector, type Selector } from './version.ts'

/**
 * The two routes by which packages published elsewhere are brought in: first the tarball, then its manifest, which also comes
 * under each dist-tag, before or after. Names of old are welcome here, unlike in a publish.
 */
export function seedRoutes(depot: Depot, signer?: SigningKey): readonly Route[] {
  return [
    route({
      method: 'PUT',
      pattern: '/:name/-/:file',
      params: { name: parsePackageName, file: parseTarballFile },
      action: 'write',
      resource: ({ name }) => name,
      handle: (request) => putTarball(depot, request),
    }),
    route({
      method: 'PUT',
      pattern: '/:name/:selector',
      params: { name: parsePackageName, selector: parseSelector },
      action: 'write',
      resource: ({ name }) => name,
      handle: (request) => putManifest(depot, request, signer),
    }),
  ]
}

/** Keep a tarball until its manifest comes. Nobody can read it before, so a wrong one may be sent again. */
async function putTarball(depot: Depot, request: DepotRequest<{ name: string; file: string }>): Promise<Response> {
  const { cache, params } = request
  const { name, file } = params
  const version = tarballVersion(name, file)
  if (version === undefined) throw new DepotError('INVALID_NAME', `a tarball of ${name} is called <name>-<version>.tgz`)
  await using tarball = await stageTarball(depot, cache, request.body(LIMITS.npmTarballBytesMax))
  requireOwnName(tarball, name, version)
  const { digest } = tarball.blob
  const known = await loadForWrite(depot, cache, name, version)
  if (known !== undefined && known.digest !== digest) throw cannotPublishOver(name, version)
  const row = await tarball.blob.publish()
  const audit = [npmAuditEntry(request, name, { action: 'write', part: version, digest })]
  const waits = known === undefined ? waitingTarball(depot, cache, versionKey(name, version), tarball) : undefined
  await depot.retryConflicts(async () => depot.commit(cache, { ...(await waits?.()), blobs: [row], audit }))
  return jsonResponse(200, { ok: 'the tarball is here', success: true })
}

/** What makes a tarball the one that waits: nothing, when it does already. */
function waitingTarball(
  depot: Depot,
  cache: Cache,
  key: string,
  { blob, hashes, own }: StagedTarball,
): () => Promise<Pick<Commit, 'puts'>> {
  const { digest } = blob
  const { sha1, sha512 } = hashes
  const value = JSON.stringify({ digest, sha1, sha512, hasInstallScript: own.hasInstallScript })
  return async () => {
    const before = await depot.get(cache, KIND.tarball, key)
    if (before?.value === value) return {}
    return { puts: [{ kind: KIND.tarball, key, value, expected: before?.version ?? 0, refs: [digest] }] }
  }
}

async function putManifest(
  depot: Depot,
  request: DepotRequest<{ name: string; selector: Selector }>,
  signer: SigningKey | undefined,
): Promise<Response> {
  const { name, selector } = request.params
  const body = await readJson(request, LIMITS.npmManifestBytesMax)
  if (typeof body === 'string') throw new DepotError('BAD_REQUEST', 'send the manifest of the version, not its number')
  const manifest = parseManifest(body)
  if (manifest.name !== name) throw mismatch(`the URL names ${name}, but the manifest is of ${manifest.name}`)
  if ('version' in selector) await putVersion(depot, request, { version: selector.version, manifest, signer })
  else await putTag(depot, request, selector.tag, { version: manifest.version, manifest, signer })
  return jsonResponse(201, { ok: 'the manifest is here', success: true })
}

interface SentVersion {
  readonly version: string
  readonly manifest: Manifest
  readonly signer: SigningKey | undefined
}

async function putVersion(
  depot: Depot,
  request: DepotRequest<{ name: string }>,
  { version, manifest, signer }: SentVersion,
): Promise<void> {
  const { cache, params } = request
  const { name } = params
  if (manifest.version !== version) {
    throw mismatch(`the URL names version ${version}, but the manifest is of ${manifest.version}`)
  }
  const key = versionKey(name, version)
  // Before the version: whoever else brings it in takes the tarball away in the commit that adds it.
  const uploaded = await depot.get(cache, KIND.tarball, key)
  const known = await loadForWrite(depot, cache, name, version)
  if (known !== undefined) return requireSameBytes(known, manifest)
  if (uploaded === undefined) {
    throw new DepotError('BAD_REQUEST', `there is no tarball of ${key} yet: send it first, then its manifest`)
  }
  const { digest, sha1, sha512, hasInstallScript } = readTarball(uploaded.value)
  const hashes = { sha1, sha256: digest, sha512 }
  const wrong = hashMismatch(hashes, manifest.dist ?? {})
  if (wrong !== undefined) throw mismatch(wrong)
  await addVersion(depot, request, {
    name,
    version,
    digest,
    manifest: keptManifest(manifest, { hashes, hasInstallScript }),
    change: { tags: [] },
    signer,
    // Expected as it was read: another tarball may have come meanwhile, which these hashes say nothing of.
    replaces: { kind: KIND.tarball, key, expected: uploaded.version },
  })
}

/** a-h/depot's client sends a manifest under its tags first, and then under its number. */
async function putTag(
  depot: Depot,
  request: DepotRequest<{ name: string }>,
  tag: string,
  sent: SentVersion,
): Promise<void> {
  await putVersion(depot, request, sent)
  await moveTag(depot, request, { name: request.params.name, tag, version: sent.version })
}

/** @throws DepotError `CONFLICT` when a manifest declares other bytes than its version has */
function requireSameBytes({ digest, manifest: kept }: VersionRecord, manifest: Manifest): void {
  const { shasum, integrity } = kept.dist
  const hashes: TarballHashes = { sha1: String(shasum), sha256: digest, sha512: sha512Of(String(integrity)) }
  const wrong = hashMismatch(hashes, manifest.dist ?? {})
  if (wrong !== undefined) throw new DepotError('CONFLICT', `${versionKey(kept.name, kept.version)} is here: ${wrong}`)
}

function mismatch(message: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', message, { status: 400 })
}
