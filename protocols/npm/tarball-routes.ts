import { after } from '../../src/after.ts'
import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { HeaderList } from '../../src/http/header-list.ts'
import { redirectResponse } from '../../src/http/redirect.ts'
import { sourceResponse, storedEtag, wantedBytes } from '../../src/http/respond.ts'
import { route, type DepotRequest, type HotBlob, type Route } from '../../src/protocol.ts'
import type { Cache } from '../../src/kv-store.ts'
import { parsePackageName } from './package-name.ts'
import { loadVersion } from './packages.ts'
import { KIND, KIND_PREFIX, tarballDigest, versionKey } from './records.ts'
import { parseTarballFile, tarballVersion } from './tarball-name.ts'

/** Tarballs, on npmjs's exact paths. */
export function tarballRoutes(depot: Depot): readonly Route[] {
  return [
    route({
      method: 'GET',
      pattern: '/:name/-/:file',
      params: { name: parsePackageName, file: parseTarballFile },
      action: 'read',
      resource: ({ name }) => name,
      wanted({ name, file }) {
        const version = tarballVersion(name, file)
        return version === undefined ? undefined : `${name}@${version}`
      },
      hot: ({ name, file }, { cache }) => hotTarball(depot, cache, name, file),
      handle: (request) => tarball(depot, request, request.params.name, request.params.file),
    }),
    // npm moves a lockfile's URL under the registry's path, but not when the URL's path begins with that path already:
    // under /npm, the tarball of the package npm is asked for as /npm/-/npm-1.2.3.tgz (npm 11 and 12).
    route({
      method: 'GET',
      pattern: '/-/:file',
      params: { file: (segment: string) => (segment.startsWith('npm-') ? parseTarballFile(segment) : undefined) },
      action: 'read',
      resource: () => 'npm',
      hot: ({ file }, { cache }) => hotTarball(depot, cache, 'npm', file),
      handle: (request) => tarball(depot, request, 'npm', request.params.file),
    }),
  ]
}

const HEADERS: HeaderList = [
  'Content-Type',
  'application/octet-stream',
  // The bytes of a version never change, so nobody needs to ask twice.
  'Cache-Control',
  'max-age=31536000, immutable',
  'Content-Disposition',
  'attachment',
  'X-Content-Type-Options',
  'nosniff',
]

function hotTarball(depot: Depot, cache: Cache, name: string, file: string): HotBlob | undefined {
  const version = tarballVersion(name, file)
  if (version === undefined) return undefined
  const digest = () =>
    after(
      depot.kv.get(cache.id, KIND.version, versionKey(name, version)),
      (record) => record && tarballDigest(record.value),
    )
  return {
    blob: () =>
      after(digest(), (found) => (found === undefined ? undefined : depot.kv.blobOf(cache.id, KIND_PREFIX, found))),
    encoding: 'raw',
    redirects: true,
    headers: HEADERS,
    missing: () => after(digest(), (found) => found === undefined),
  }
}

async function tarball(depot: Depot, request: DepotRequest<unknown>, name: string, file: string): Promise<Response> {
  const { cache } = request
  const version = tarballVersion(name, file)
  const found = version === undefined ? undefined : await loadVersion(depot, cache, name, version)
  const row = found && (await depot.blobOf(cache, KIND_PREFIX, found.digest))
  if (row === undefined) throw new DepotError('NOT_FOUND', `the tarball ${file} of ${name} is not in this depot`)
  const etag = storedEtag(row)
  const elsewhere = await redirectResponse(depot, request, row, { headers: HEADERS, etag })
  if (elsewhere !== undefined) return elsewhere
  const blob = await depot.open(row, { of: 'stored', range: wantedBytes(request, etag, row.storedBytes) })
  return sourceResponse(request, blob.stored(), { headers: HEADERS, etag })
}
