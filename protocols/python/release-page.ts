import type { Depot } from '../../src/depot.ts'
import { hasCode } from '../../src/errors.ts'
import type { HeaderList } from '../../src/http/header-list.ts'
import { documentResponse } from '../../src/http/respond.ts'
import { chooseCoding } from '../../src/http/negotiate.ts'
import type { DepotRequest } from '../../src/protocol.ts'
import { rendering } from './pages.ts'
import { readProjectPage } from './project-page.ts'
import type { ProjectName } from './project-name.ts'
import { noProject } from './project.ts'
import { PROJECT_KIND } from './records.ts'
import { releaseJson } from './release-json.ts'

const HEADERS: HeaderList = [
  'Content-Type',
  'application/json',
  'Vary',
  'Accept-Encoding',
  'Cache-Control',
  'max-age=0, must-revalidate',
  'X-Content-Type-Options',
  'nosniff',
]

/** `GET <project>/json`, as pip-tools asks for it. @throws DepotError `NOT_FOUND` */
export async function releasesResponse(
  depot: Depot,
  request: DepotRequest<{ readonly project: ProjectName }>,
): Promise<Response> {
  const name = request.params.project.normalized
  const coding = chooseCoding(request.headers.get('accept-encoding') ?? undefined)
  const mount = mountUrl(request)
  const key = { cache: request.cache.id, kind: PROJECT_KIND, key: name, origin: mount ?? '' }
  const variant = `releases${coding === '' ? '' : `+${coding}`}`
  const document = await depot.document({ ...key, variant }, async () => {
    const [files, integrity] = [`${mount ?? '..'}/files/`, `${mount ?? '..'}/integrity/`]
    const found = await readProjectPage(depot, request.cache, name, { files, integrity })
    return found && rendering(found.version, releaseJson(found.page), coding)
  })
  if (document === undefined) throw noProject(name)
  return documentResponse(request, document, HEADERS)
}

/** pip-tools compares whole addresses; where nobody knows ours, relative ones are still good for everybody else. */
function mountUrl(request: Pick<DepotRequest, 'baseUrl'>): string | undefined {
  try {
    return request.baseUrl()
  } catch (error) {
    if (hasCode(error, 'PUBLIC_URL_UNKNOWN')) return undefined
    throw error
  }
}
