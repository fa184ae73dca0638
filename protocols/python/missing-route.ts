import { z } from 'zod'

import { SOME_NAME } from '../../src/access.ts'
import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import { readJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import type { Cache } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type Route } from '../../src/protocol.ts'
import { findDistribution, type Distribution } from './filename.ts'
import { placedAs } from './places.ts'
import { readStatus } from './project.ts'
import { FILE_KIND, fileKey, isTombstone, parseFile, PROJECT_KIND, type PythonFile } from './records.ts'

const questionSchema = z.strictObject({
  files: z
    .array(z.strictObject({ file: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }))
    .max(LIMITS.pythonMissingFilesMax),
})

type Question = z.infer<typeof questionSchema>

/** What a depot has under the name of a file, for somebody who has bytes for it. */
export type FileState =
  /** Nothing: it may be sent. */
  | { readonly state: 'missing' }
  /** These bytes. */
  | {
      readonly state: 'here'
      readonly uploadTime: string
      readonly yanked: boolean | string
      readonly requiresPython: boolean
      /** sha256 of the provenance, if there is one. */
      readonly provenance?: string
    }
  /** Other bytes, or these under another name that is the same to an installer. */
  | { readonly state: 'other'; readonly sha256: string; readonly file?: string }
  | { readonly state: 'deleted' }
  /** Nothing, and its project takes no files (PEP 792). */
  | { readonly state: 'closed'; readonly status: string }
  /** Such a file cannot be sent at all. */
  | { readonly state: 'impossible' }

/**
 * `POST -/missing` with `{"files": [{"file", "sha256"}, …]}`: what is here of each, in the same order, as `{"files": [{"state", …}]}`.
 * One request for a whole folder. It changes nothing, so whoever may read may ask; what somebody may not know of is missing.
 */
export function missingRoute(depot: Depot): Route {
  return route({
    method: 'POST',
    pattern: '/-/missing',
    action: 'read',
    // The names stand in the body.
    resource: SOME_NAME,
    async handle(request) {
      const json = await readJson(request, LIMITS.missingBodyBytesMax)
      const { files } = parseAs(questionSchema, json, 'the list of files')
      const asked: Asked[] = []
      for (const { file, sha256 } of files) {
        await breath()
        asked.push({ distribution: findDistribution(file), sha256 })
      }
      // Also a request that names nothing has been decided on.
      const mayKnow = new Map([['', request.may('')]])
      for (const project of new Set(asked.map(({ distribution }) => distribution?.project ?? '')))
        mayKnow.set(project, request.may(project))
      const states = await statesOf(depot, request.cache, asked, (project) => mayKnow.get(project) === true)
      return jsonResponse(200, { files: states }, { 'Cache-Control': 'no-store' })
    },
  })
}

interface Asked {
  readonly distribution: Distribution | undefined
  readonly sha256: Question['files'][number]['sha256']
}

async function statesOf(
  depot: Depot,
  cache: Cache,
  asked: readonly Asked[],
  mayKnow: (project: string) => boolean,
): Promise<readonly FileState[]> {
  const known = asked.flatMap(({ distribution }) =>
    distribution !== undefined && mayKnow(distribution.project) ? [distribution] : [],
  )
  const projects = new Set(
    await depot.kv.present(cache.id, PROJECT_KIND, [...new Set(known.map(({ project }) => project))]),
  )
  const keys = known.filter(({ project }) => projects.has(project)).map(keyOf)
  // Whose bytes storage has lost is not among them, and is welcome again.
  const present = new Set(await depot.kv.present(cache.id, FILE_KIND, [...new Set(keys)]))
  const states: FileState[] = []
  for (const { distribution, sha256 } of asked) {
    await breath()
    if (distribution === undefined) states.push({ state: 'impossible' })
    else if (!mayKnow(distribution.project) || !projects.has(distribution.project)) states.push(MISSING)
    else if (present.has(keyOf(distribution))) states.push(await stateOf(depot, cache, distribution, sha256))
    else states.push(await stateOfAbsent(depot, cache, distribution))
  }
  return states
}

const MISSING: FileState = { state: 'missing' }

function keyOf({ project, filename }: Distribution): string {
  return fileKey(project, filename)
}

async function stateOf(depot: Depot, cache: Cache, distribution: Distribution, sha256: string): Promise<FileState> {
  const record = await depot.get(cache, FILE_KIND, keyOf(distribution))
  if (record === undefined) return MISSING
  const file = parseFile(record)
  if (isTombstone(file)) return { state: 'deleted' }
  return file.sha256 === sha256 ? here(file) : { state: 'other', sha256: file.sha256 }
}

function here({ uploadTime, yanked, requiresPython, provenance }: PythonFile): FileState {
  return {
    state: 'here',
    uploadTime,
    yanked,
    requiresPython: requiresPython !== undefined,
    ...(provenance === undefined ? {} : { provenance: provenance.sha256 }),
  }
}

async function stateOfAbsent(depot: Depot, cache: Cache, distribution: Distribution): Promise<FileState> {
  const holder = await placedAs(depot, cache, distribution)
  if (holder !== undefined && holder !== distribution.filename) {
    const record = await depot.get(cache, FILE_KIND, fileKey(distribution.project, holder))
    const file = record && parseFile(record)
    if (file !== undefined)
      return isTombstone(file) ? { state: 'deleted' } : { state: 'other', sha256: file.sha256, file: holder }
  }
  const status = await readStatus(depot, cache, distribution.project)
  if (status === undefined || status.status === 'deprecated') return MISSING
  return { state: 'closed', status: status.status }
}
