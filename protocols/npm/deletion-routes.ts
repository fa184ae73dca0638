import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { deleteVersions } from './delete-versions.ts'
import { parseRevision } from './document-routes.ts'
import { parsePackageName } from './package-name.ts'
import { findVersion, loadVersion, requirePackage, requireRevision, versionMissing } from './packages.ts'
import { isTombstone } from './records.ts'
import { parseTarballFile, tarballVersion } from './tarball-name.ts'
import { parseVersion } from './version.ts'

/** What takes versions away: npm's own requests, and the plain `DELETE /{pkg}/{version}`. */
export function deletionRoutes(depot: Depot): readonly Route[] {
  return [
    route({
      method: 'DELETE',
      pattern: '/:name/-/:file/-rev/:revision',
      params: { name: parsePackageName, file: parseTarballFile, revision: parseRevision },
      action: 'delete',
      resource: ({ name }) => name,
      handle: (request) => deleteTarball(depot, request),
    }),
    route({
      method: 'DELETE',
      pattern: '/:name/-rev/:revision',
      params: { name: parsePackageName, revision: parseRevision },
      action: 'delete',
      resource: ({ name }) => name,
      async handle(request) {
        const { name, revision } = request.params
        const { record } = await requirePackage(depot, request.cache, name)
        await deleteVersions(depot, request, { name, versions: Object.keys(record.times), revision })
        return deleted()
      },
    }),
    route({
      method: 'DELETE',
      pattern: '/:name/:version',
      params: { name: parsePackageName, version: parseVersion },
      action: 'delete',
      resource: ({ name }) => name,
      async handle(request) {
        const { name, version } = request.params
        if ((await loadVersion(depot, request.cache, name, version)) === undefined) throw versionMissing(name, version)
        await deleteVersions(depot, request, { name, versions: [version] })
        return new Response(null, { status: 204 })
      },
    }),
  ]
}

/** The last of `npm unpublish`: the packument has lost the version by now, and the tarball went with it. */
async function deleteTarball(
  depot: Depot,
  request: DepotRequest<{ name: string; file: string; revision: string }>,
): Promise<Response> {
  const { name, file, revision } = request.params
  const version = tarballVersion(name, file)
  if (version === undefined) throw new DepotError('INVALID_NAME', `a tarball of ${name} is called <name>-<version>.tgz`)
  const found = await findVersion(depot, request.cache, name, version)
  if (found === undefined) throw versionMissing(name, version)
  if (!isTombstone(found.record)) {
    requireRevision(await requirePackage(depot, request.cache, name), revision)
    await deleteVersions(depot, request, { name, versions: [version], revision })
  }
  return deleted()
}

function deleted(): Response {
  return jsonResponse(200, { ok: 'deleted', success: true })
}
