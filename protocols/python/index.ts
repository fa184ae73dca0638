import { SOME_NAME } from '../../src/access.ts'
import { after } from '../../src/after.ts'
import type { Depot } from '../../src/depot.ts'
import { readJson } from '../../src/http/body.ts'
import { textResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { inventoryRoute } from '../../src/inventory-route.ts'
import { route, type Protocol, type Route } from '../../src/protocol.ts'
import { brokenArchive } from './archive-error.ts'
import { mergeEntry, parseEntry } from './file-entry.ts'
import { fileResponse, hotFile } from './files.ts'
import { LIST_SOURCE, projectListReader } from './list-page.ts'
import { missingRoute } from './missing-route.ts'
import { choosePage, projectPageResponse, type PageStyle } from './pages.ts'
import { fileParam, projectParam } from './params.ts'
import type { ProjectName } from './project-name.ts'
import { projectRoutes } from './project-routes.ts'
import { provenanceRoutes } from './provenance-routes.ts'
import { FILE_KIND, PROJECT_KIND } from './records.ts'
import { releasesResponse } from './release-page.ts'
import { storeFile } from './store-file.ts'
import { tombstoneRoutes } from './tombstone-routes.ts'
import { receiveUpload } from './upload-form.ts'
import { held } from './wanted.ts'

/** Python's package index: simple pages in HTML and JSON, files with their metadata, uploads by form and by PUT. */
export const python: Protocol = {
  name: 'python',
  mount: '/python',
  normalize: dropEmptySegments,
  // twine, hatch and flit print the status line and nothing else; PyPI tells them there too.
  messageInStatusLine: true,
  // What the depot's own command line asks for; index clients print the body as it is.
  errorBody: ({ message }, target) =>
    target.startsWith('/python/-/')
      ? { contentType: 'application/json', body: JSON.stringify({ error: message }) }
      : undefined,
  held,
  routes: (depot) => [
    ...UPLOAD_PATTERNS.map((pattern) => formUpload(depot, pattern)),
    ...projectRoutes(depot),
    ...tombstoneRoutes(depot),
    missingRoute(depot),
    inventoryRoute(depot, FILE_KIND),
    ...projectLists(depot),
    listRedirect(),
    projectPage(depot, '/simple/:project/', 'simple'),
    projectRedirect('/simple/:project'),
    projectPage(depot, '/:project/', 'short'),
    projectRedirect('/:project'),
    releases(depot),
    ...provenanceRoutes(depot),
    ...(['/files/:project/:file', '/simple/:project/:file', '/:project/:file'] as const).map((at) =>
      fileDownload(depot, at),
    ),
    ...(['/simple/:project/:file', '/:project/:file'] as const).map((at) => fileUpload(depot, at)),
  ],
}

/** pipenv asks for `/simple//name/`. The slash at the end stays: a page's relative links depend on it. */
function dropEmptySegments(segments: readonly string[]): readonly string[] {
  const kept = segments.filter((segment, index) => segment !== '' || index === segments.length - 1)
  // The mount without a slash is the list's other name.
  return kept.length === 0 ? ['simple'] : kept
}

/** Where twine and uv may be pointed at, with a slash and without: a POST is never redirected. */
const UPLOAD_PATTERNS = ['/legacy/', '/legacy', '/simple/', '/simple', '/'] as const

function formUpload(depot: Depot, pattern: (typeof UPLOAD_PATTERNS)[number]): Route {
  return route({
    method: 'POST',
    pattern,
    action: 'write',
    // The name of the project stands in the form.
    resource: SOME_NAME,
    async handle(request) {
      await using upload = await receiveUpload(depot, request)
      await storeFile(depot, request, upload)
      return textResponse(200, 'OK\n')
    },
  })
}

function projectLists(depot: Depot): readonly Route[] {
  const handle = projectListReader(depot)
  return (['/simple/', '/'] as const).map((pattern) =>
    route({
      method: 'GET',
      pattern,
      action: 'read',
      hot: (_, { cache, header }) => choosePage(cache, LIST_SOURCE, header),
      handle,
    }),
  )
}

function listRedirect(): Route {
  return route({
    method: 'GET',
    pattern: '/simple',
    action: 'read',
    // Relative as well; the mount without a slash comes here too.
    handle: ({ segments }) => redirect(`./${segments.at(-1) === 'simple' ? '' : 'python/'}simple/`),
  })
}

function projectPage(depot: Depot, pattern: `/${string}`, style: PageStyle): Route {
  return route({
    method: 'GET',
    pattern,
    params: { project: projectParam },
    action: 'read',
    resource: ({ project }) => project.normalized,
    hot: ({ project }, { cache, header }) =>
      isNormalized(project)
        ? {
            ...choosePage(cache, { kind: PROJECT_KIND, key: project.normalized, style }, header),
            missing: () =>
              after(depot.kv.get(cache.id, PROJECT_KIND, project.normalized), (record) => record === undefined),
          }
        : undefined,
    wanted: ({ project }) => project.normalized,
    handle: async (request) => {
      const { project } = request.params
      // Relative, so that it holds behind any prefix (PEP 503 asks for the redirect).
      if (!isNormalized(project)) return redirect(`../${project.normalized}/`)
      return projectPageResponse(depot, request, { name: project.normalized, style })
    },
  })
}

function projectRedirect(pattern: `/${string}`): Route {
  return route({
    method: 'GET',
    pattern,
    params: { project: projectParam },
    action: 'read',
    resource: ({ project }) => project.normalized,
    handle: ({ params }) => redirect(`./${params.project.normalized}/`),
  })
}

/** `GET <project>/json`: what pip-tools looks for beside an index, and a person for a project. */
function releases(depot: Depot): Route {
  return route({
    method: 'GET',
    pattern: '/:project/json',
    params: { project: projectParam },
    action: 'read',
    resource: ({ project }) => project.normalized,
    handle: async (request) => {
      const { project } = request.params
      if (!isNormalized(project)) return redirect(`../${project.normalized}/json`)
      return releasesResponse(depot, request)
    },
  })
}

function fileDownload(depot: Depot, pattern: `/${string}`): Route {
  return route({
    method: 'GET',
    pattern,
    params: { project: projectParam, file: fileParam },
    action: 'read',
    resource: ({ project }) => project.normalized,
    wanted({ project, file }) {
      const { distribution, part } = file.reading ?? {}
      if (part !== 'content' || distribution?.project !== project.normalized) return undefined
      return `${project.normalized}/${distribution.filename}`
    },
    hot: (params, { cache }) => hotFile(depot, cache, params),
    handle: (request) => fileResponse(depot, request),
  })
}

/** `PUT <project>/<file>` stores the file, `PUT <project>/<file>.json` what another index says of it. */
function fileUpload(depot: Depot, pattern: `/${string}`): Route {
  return route({
    method: 'PUT',
    pattern,
    params: { project: projectParam, file: fileParam },
    action: 'write',
    resource: ({ project }) => project.normalized,
    async handle(request) {
      const { project, file } = request.params
      const { distribution, part } = file.writing()
      if (distribution.project !== project.normalized) {
        throw brokenArchive(`the file name is one of ${distribution.project}, not of ${project.normalized}`)
      }
      if (part === 'entry') {
        const entry = parseEntry(await readJson(request, LIMITS.pythonEntryBytesMax))
        await mergeEntry(depot, request, distribution, entry)
        return textResponse(200, 'OK\n')
      }
      await using staged = await depot.stage(request.cache, request.body(LIMITS.blobBytesMax), { encoding: 'raw' })
      const outcome = await storeFile(depot, request, { distribution, staged })
      return textResponse(outcome === 'created' ? 201 : 200, 'OK\n')
    },
  })
}

function isNormalized({ typed, normalized }: ProjectName): boolean {
  return typed === normalized
}

function redirect(location: string): Response {
  return textResponse(301, `see ${location}\n`, { Location: location })
}
