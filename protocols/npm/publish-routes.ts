import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { decodedBody } from '../../src/http/body.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { hashMismatch } from './integrity.ts'
import { keptManifest } from './manifest.ts'
import { parsePackageName, requireNewName } from './package-name.ts'
import { addVersion } from './packages.ts'
import { parsePublication, type Publication } from './publication.ts'
import { readPublishBody } from './publish-body.ts'
import { KIND, versionKey } from './records.ts'
import { requireOwnName, stageTarball, type StagedTarball } from './stage-tarball.ts'

/** `PUT /{pkg}`: what `npm publish`, pnpm, yarn and bun send. */
export function publishRoutes(depot: Depot): readonly Route[] {
  return [
    route({
      method: 'PUT',
      pattern: '/:name',
      params: { name: parsePackageName },
      action: 'write',
      resource: ({ name }) => name,
      handle: (request) => publish(depot, request),
    }),
  ]
}

async function publish(depot: Depot, request: DepotRequest<{ name: string }>): Promise<Response> {
  const { name } = request.params
  requireNewName(name)
  await using held = new AsyncDisposableStack()
  const { document, tarball } = await readPublishBody(
    decodedBody(request, LIMITS.npmPublishBytesMax),
    async (content) => held.use(await stageTarball(depot, request.cache, content)),
  )
  if (tarball === undefined) {
    const hint = 'a publish carries a tarball; deprecating, starring and changing owners are not possible on this depot'
    throw new DepotError('BAD_REQUEST', hint)
  }
  const publication = parsePublication(name, document, tarball.file)
  verifyTarball(name, publication, tarball.taken)
  const outcome = await add(depot, request, publication, tarball.taken)
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
): Promise<'created' | 'known'> {
  const { name } = request.params
  const key = versionKey(name, version)
  return addVersion(depot, request, {
    name,
    version,
    digest: blob.digest,
    manifest: keptManifest(manifest, { hashes, hasInstallScript: own.hasInstallScript }),
    change: { tags, fields, latestByDefault: true },
    publish: () => blob.publish(),
    puts: attestation === undefined ? [] : [{ kind: KIND.attestation, key, value: JSON.stringify(attestation) }],
  })
}
