import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { decodedBody } from '../../src/http/body.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { addVersion } from './add-version.ts'
import { changeDocument } from './document-routes.ts'
import { hashMismatch } from './integrity.ts'
import { keptManifest, type Manifest } from './manifest.ts'
import { parseProvenance, requireSubject } from './attestation.ts'
import { parsePackageName, requireNewName } from './package-name.ts'
import { parsePublication, type Publication } from './publication.ts'
import { readPublishBody } from './publish-body.ts'
import { KIND, versionKey } from './records.ts'
import type { SigningKey } from './signing.ts'
import { requireOwnName, stageTarball, type StagedTarball } from './stage-tarball.ts'

/** `PUT /{pkg}`: what `npm publish`, pnpm, yarn and bun send; without a tarball, a change of what the packument says. */
export function publishRoutes(depot: Depot, signer?: SigningKey): readonly Route[] {
  return [
    route({
      method: 'PUT',
      pattern: '/:name',
      params: { name: parsePackageName },
      action: 'write',
      resource: ({ name }) => name,
      handle: (request) => publish(depot, request, signer),
    }),
  ]
}

async function publish(depot: Depot, request: DepotRequest<{ name: string }>, signer?: SigningKey): Promise<Response> {
  const { name } = request.params
  await using held = new AsyncDisposableStack()
  const body = await readPublishBody(decodedBody(request, LIMITS.npmPublishBytesMax), async (content) => {
    // Packages of old were brought in under names that nobody may publish any more, and still can be deprecated.
    requireNewName(name)
    return held.use(await stageTarball(depot, request.cache, content))
  })
  if (body.tarball === undefined) return changeDocument(depot, request, body.text)
  const { document, tarball } = body
  const publication = parsePublication(name, document, tarball.file)
  verifyTarball(name, publication, tarball.taken)
  const outcome = await add(depot, request, publication, tarball.taken, signer)
  return outcome === 'created'
    ? jsonResponse(201, { ok: 'created new package', success: true })
    : jsonResponse(200, { ok: 'this version is here with the same bytes: nothing changed', success: true })
}

/** @throws DepotError `CONTENT_MISMATCH` (400) when the bytes are not what the body says of them */
function verifyTarball(name: string, { manifest, version, length }: Publication, tarball: StagedTarball): void {
  requireOwnName(tarball, name, version)
  const { sizeBytes } = tarball.blob
  const wrong =
    length !== undefined && length !== sizeBytes
      ? `the attachment says ${length} bytes, but ${sizeBytes} arrived`
      : hashMismatch(tarball.hashes, manifest.dist ?? {})
  if (wrong !== undefined) throw new DepotError('CONTENT_MISMATCH', wrong, { status: 400 })
}

function add(
  depot: Depot,
  request: DepotRequest<{ name: string }>,
  { version, manifest, tags, fields, attestation }: Publication,
  { blob, hashes, own }: StagedTarball,
  signer: SigningKey | undefined,
): Promise<'created' | 'known'> {
  const { name } = request.params
  const key = versionKey(name, version)
  return addVersion(depot, request, {
    name,
    version,
    digest: blob.digest,
    manifest: withProvenance(keptManifest(manifest, { hashes, hasInstallScript: own.hasInstallScript }), {
      bundle: attestation,
      sha512: hashes.sha512,
    }),
    change: { tags, fields, latestByDefault: true },
    publish: () => blob.publish(),
    signer,
    puts: attestation === undefined ? [] : [{ kind: KIND.attestation, key, value: JSON.stringify(attestation) }],
  })
}

/** The manifest, told that there is a statement about how the package was made. @throws DepotError for what is none of this version */
function withProvenance(
  manifest: Manifest,
  { bundle, sha512 }: { readonly bundle: string | undefined; readonly sha512: string },
): Manifest {
  if (bundle === undefined) {
    // Nobody could read what it claims, and a client that checks would fail for everything that depends on it.
    const { attestations: _claimed, ...dist } = manifest.dist ?? {}
    return { ...manifest, dist }
  }
  const provenance = parseProvenance(bundle)
  requireSubject(provenance, { name: manifest.name, version: manifest.version, sha512 })
  const { predicateType } = provenance
  return { ...manifest, dist: { ...manifest.dist, attestations: { provenance: { predicateType } } } }
}
