import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { decodedBody } from '../../src/http/body.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { changeOf, changePackage } from './change-package.ts'
import { deleteVersions } from './delete-versions.ts'
import { readPackageDocument, type PackageDocument } from './package-document.ts'
import { parsePackageName } from './package-name.ts'
import { loadPackage, requirePackage, requireRevision } from './packages.ts'
import { tagsOf } from './packument.ts'

/** A path segment that can be a `_rev`. Whether it is the package's, `requireRevision` says. */
export function parseRevision(segment: string): string | undefined {
  return /^[\w-]{1,80}$/.test(segment) ? segment : undefined
}

/** `PUT /{pkg}/-rev/{rev}`: a packument comes back from `npm unpublish <pkg>@<version>` or `npm owner`. */
export function documentRoutes(depot: Depot): readonly Route[] {
  return [
    route({
      method: 'PUT',
      pattern: '/:name/-rev/:revision',
      params: { name: parsePackageName, revision: parseRevision },
      action: 'write',
      resource: ({ name }) => name,
      handle: (request) => replaceDocument(depot, request),
    }),
  ]
}

/**
 * A `PUT /{pkg}` without a tarball: `npm deprecate`, `npm star`. It takes no version away and moves no tag, and says so to whom it
 * expects that of it.
 *
 * @throws DepotError as `changePackage`
 */
export async function changeDocument(
  depot: Depot,
  request: DepotRequest<{ name: string }>,
  pieces: Iterable<Uint8Array>,
): Promise<Response> {
  const { name } = request.params
  const document = await readPackageDocument(name, pieces)
  const loaded = await loadPackage(depot, request.cache, name)
  if (loaded === undefined) {
    throw new DepotError('BAD_REQUEST', `a publish carries a tarball, and there is no package ${name} here to change`)
  }
  if (document.revision !== undefined) requireRevision(loaded, document.revision)
  const { times } = loaded.record
  if (missing(document, times).length > 0)
    throw new DepotError('BAD_REQUEST', 'versions are taken away by npm unpublish, not by leaving them out')
  const tags = tagsOf(loaded.record)
  const moved = Object.entries(document.tags ?? {}).find(([tag, version]) => tags[tag] !== version)
  if (moved !== undefined)
    throw new DepotError('BAD_REQUEST', `the dist-tag ${moved[0].slice(0, 300)} is moved by npm dist-tag add`)
  await changePackage(depot, request, { name, document, revision: document.revision })
  return changed()
}

/** yarn 1 reads the abbreviated packument, which has neither revision nor owners, and would put back its own additions alone. */
async function replaceDocument(
  depot: Depot,
  request: DepotRequest<{ name: string; revision: string }>,
): Promise<Response> {
  const { name, revision } = request.params
  if (revision === 'undefined') {
    const hint = 'what it would put back may leave out what it never saw: use npm for this'
    throw new DepotError('CONFLICT', `your client does not say which revision of ${name} it has read, and ${hint}`)
  }
  const pieces: Uint8Array[] = []
  for await (const piece of decodedBody(request, LIMITS.npmDocumentBytesMax)) pieces.push(Uint8Array.from(piece))
  const document = await readPackageDocument(name, pieces)
  const loaded = await requirePackage(depot, request.cache, name)
  requireRevision(loaded, revision)
  const versions = missing(document, loaded.record.times)
  if (versions.length === 0) await changePackage(depot, request, { name, document, revision })
  else {
    request.permit('delete', name)
    if (versions.length === Object.keys(loaded.record.times).length)
      throw new DepotError(
        'BAD_REQUEST',
        `no version of ${name} would be left: npm unpublish ${name} --force deletes all`,
      )
    const change = await changeOf(depot, request, { name, document, loaded })
    await deleteVersions(depot, request, { name, versions, revision, change })
  }
  return changed()
}

/** Versions that are here and that a document does not have any more. */
function missing({ versions }: PackageDocument, times: Readonly<Record<string, string>>): readonly string[] {
  return versions === undefined ? [] : Object.keys(times).filter((version) => !versions.has(version))
}

function changed(): Response {
  return jsonResponse(201, { ok: 'package changed', success: true })
}
