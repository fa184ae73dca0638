import { z } from 'zod'

import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { readJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonResponse, responseTo } from '../../src/http/respond.ts'
import type { Cache } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { deleteFiles, filesToDelete, yankFiles, type Chosen } from './change-files.ts'
import { projectParam } from './params.ts'
import { noProject, readFiles, readStatus } from './project.ts'
import type { ProjectName } from './project-name.ts'
import { setStatus, type Standing } from './project-status.ts'
import { isReason } from './reason.ts'
import { EMPTY_KIND, emptyKey, isTombstone, PROJECT_KIND, STATUSES, type PythonFile } from './records.ts'
import { parseVersion } from './version.ts'

const reason = z.string().refine(isReason, 'a reason is one line of bounded length')
const version = z.string().transform((text, context) => {
  const parsed = parseVersion(text)
  if (parsed !== undefined) return parsed
  context.addIssue('not a version as PEP 440 defines it')
  return z.NEVER
})

/** One file or all of a version. */
const some = { file: z.string().optional(), version: version.optional() }
const yank = z.strictObject({ ...some, yanked: z.boolean(), reason: reason.optional() })
/** Nothing named is nothing deleted: a whole project has to be asked for. */
const deletion = z.strictObject({ ...some, all: z.literal(true).optional(), dryRun: z.boolean().default(false) })
const statusChange = z.strictObject({ status: z.enum(['active', ...STATUSES]), reason: reason.optional() })
const page = z.object({
  /** Behind this one. */
  after: z.string().max(255).optional(),
  limit: z
    .string()
    .regex(/^\d{1,4}$/)
    .transform(Number)
    .pipe(z.int().min(1).max(LIMITS.pythonListPageMax))
    .default(LIMITS.pythonListPageMax),
})

/**
 * The depot's own API about projects, below `-/`:
 * `GET -/projects?after=&limit=` lists names: `{"projects": […], "next"?}`. `GET -/projects/<name>` tells all there is to know of one.
 * `POST …/yanks` takes `{"file" or "version", "yanked", "reason"?}`, `POST …/deletions` `{"file", "version" or "all", "dryRun"?}`,
 * `POST …/status` `{"status", "reason"?}`.
 */
export function projectRoutes(depot: Depot): readonly Route[] {
  return [
    route({
      method: 'GET',
      pattern: '/-/projects',
      action: 'read',
      handle: async (request) => {
        const wanted = parseAs(page, Object.fromEntries(request.query), 'the query')
        return responseTo(request, answer(await listProjects(depot, request.cache, wanted)))
      },
    }),
    route({
      method: 'GET',
      pattern: '/-/projects/:project',
      params: { project: projectParam },
      action: 'read',
      resource: ({ project }) => project.normalized,
      handle: async (request) => responseTo(request, answer(await describe(depot, request))),
    }),
    ownRoute('yanks', 'write', async (request, project) => {
      const { yanked, reason: why = '', ...wanted } = await read(request, yank)
      const value = yanked && why !== '' ? why : yanked
      const files = await yankFiles(depot, request, project, { chosen: chosenBy(wanted), yanked: value })
      return answer({ files: files.map(told) })
    }),
    ownRoute('deletions', 'delete', async (request, project) => {
      const { dryRun, ...wanted } = await read(request, deletion)
      const files = await (dryRun ? filesToDelete : deleteFiles)(depot, request, project, chosenBy(wanted))
      return answer({ deleted: !dryRun, files: files.map(told) })
    }),
    ownRoute('status', 'write', async (request, project) => {
      const { status, reason: why = '' } = await read(request, statusChange)
      const stated = status === 'active' ? undefined : { status, ...(why === '' ? {} : { reason: why }) }
      // What was locked away because it is dangerous is not for whoever published it to let out.
      const allow = (before: Standing): void => {
        if ([before?.status, status].includes('quarantined')) request.permit('admin', project)
      }
      await setStatus(depot, request, project, { status: stated, allow })
      return answer({ project, ...(stated ?? { status }) })
    }),
  ]
}

function ownRoute(
  name: 'yanks' | 'deletions' | 'status',
  action: 'write' | 'delete',
  handle: (request: DepotRequest<{ readonly project: ProjectName }>, project: string) => Promise<Response>,
): Route {
  return route({
    method: 'POST',
    pattern: `/-/projects/:project/${name}`,
    params: { project: projectParam },
    action,
    resource: ({ project }) => project.normalized,
    handle: (request) => handle(request, request.params.project.normalized),
  })
}

async function read<T>(request: DepotRequest<unknown>, schema: z.ZodType<T>): Promise<T> {
  return parseAs(schema, await readJson(request, LIMITS.pythonRequestBytesMax), 'the request')
}

function answer(value: object): Response {
  return jsonResponse(200, value, { 'Cache-Control': 'no-store' })
}

/** @throws DepotError `BAD_REQUEST` when not exactly one of them is there */
function chosenBy(wanted: {
  readonly file?: string | undefined
  readonly version?: z.infer<typeof version> | undefined
  readonly all?: true | undefined
}): Chosen {
  const { file, version: ofVersion, all } = wanted
  const [chosen, another] = [
    ...(file === undefined ? [] : [{ file }]),
    ...(ofVersion === undefined ? [] : [{ version: ofVersion }]),
    ...(all === undefined ? [] : ['all' as const]),
  ]
  if (chosen !== undefined && another === undefined) return chosen
  throw new DepotError('BAD_REQUEST', 'name one thing: a file, a version or, to delete it, all of the project')
}

function told({ filename, version: ofVersion, sizeBytes, yanked }: PythonFile): object {
  return { file: filename, version: ofVersion, size: sizeBytes, yanked }
}

/** A page may be short, or empty, with more behind it: projects whose files are all deleted are left out. */
async function listProjects(depot: Depot, cache: Cache, { after, limit }: z.infer<typeof page>): Promise<object> {
  const bounds = { from: '', limit, ...(after === undefined ? {} : { after }) }
  const records = await depot.kv.list(cache.id, PROJECT_KIND, bounds)
  const names = records.map(({ key }) => key)
  const empty = new Set(await depot.kv.present(cache.id, EMPTY_KIND, names.map(emptyKey)))
  return {
    projects: names.filter((name) => !empty.has(emptyKey(name))),
    ...(names.length === limit ? { next: names.at(-1) } : {}),
  }
}

async function describe(
  depot: Depot,
  { cache, params }: DepotRequest<{ readonly project: ProjectName }>,
): Promise<object> {
  const project = params.project.normalized
  const status = await readStatus(depot, cache, project)
  const records = await readFiles(depot, cache, project)
  if (records.length === 0) throw noProject(project)
  const files: object[] = []
  const deleted: object[] = []
  for (const { filename, file } of records) {
    if (isTombstone(file)) deleted.push({ file: filename, deleted: file.deleted, sha256: file.digest })
    else files.push({ ...told(file), sha256: file.sha256, uploadTime: file.uploadTime })
  }
  return { project, ...(status ?? { status: 'active' }), files, deleted }
}
