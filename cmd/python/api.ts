import { z } from 'zod'

import { callApi, type Connection } from '../client/api.ts'
import { plain } from '../terminal/plain.ts'

/** Words that end up on a terminal. */
const WORDS = z.string().transform(plain)
const FILE = z.object({
  file: WORDS,
  version: WORDS,
  size: z.number().int().nonnegative(),
  yanked: z.union([z.boolean(), WORDS]),
})
const FILES = z.object({ files: z.array(FILE) })
const STATUS = z.object({ project: WORDS, status: WORDS, reason: WORDS.optional() })
const PROJECT = STATUS.extend({
  files: z.array(FILE.extend({ sha256: WORDS, uploadTime: WORDS })),
  deleted: z.array(z.object({ file: WORDS, deleted: WORDS, sha256: WORDS })),
})

/** A file of a project in a depot; its size in bytes. */
export type ChangedFile = z.infer<typeof FILE>
export type ProjectState = z.infer<typeof STATUS>
export type ProjectInfo = z.infer<typeof PROJECT>

/** What is meant of a project. */
export type Meant = { readonly file: string } | { readonly version: string } | { readonly all: true }

/** A distribution file by its name, and the project that it belongs to, normalised. */
export interface NamedFile {
  readonly project: string
  readonly file: string
}

/** The names of all projects that have files, page by page; pages may be empty. @throws DepotError */
export async function* listProjects(connection: Connection): AsyncGenerator<readonly string[]> {
  const page = z.object({ projects: z.array(WORDS), next: z.string().optional() })
  let after: string | undefined
  do {
    const query = after === undefined ? '' : `?${new URLSearchParams({ after }).toString()}`
    const answer = await callApi(connection, { method: 'GET', path: `/python/-/projects${query}` }, page)
    yield answer.projects
    // One that leads nowhere would have us ask for ever.
    after = answer.next !== undefined && answer.next > (after ?? '') ? answer.next : undefined
  } while (after !== undefined)
}

/** @throws DepotError, `NOT_FOUND` for one that never had a file */
export function projectInfo(connection: Connection, project: string): Promise<ProjectInfo> {
  return callApi(connection, { method: 'GET', path: `/python/-/projects/${project}` }, PROJECT)
}

/** Yank files, or take that back. @throws DepotError, `NOT_FOUND` when there is no such file */
export async function yankFiles(
  connection: Connection,
  project: string,
  body: Meant & { readonly yanked: boolean; readonly reason?: string },
): Promise<readonly ChangedFile[]> {
  return (await post(connection, `${project}/yanks`, body, FILES)).files
}

/** Delete files, or tell which would go. @throws DepotError, `NOT_FOUND` when there is no such file */
export async function deleteFiles(
  connection: Connection,
  project: string,
  body: Meant & { readonly dryRun?: boolean },
): Promise<readonly ChangedFile[]> {
  return (await post(connection, `${project}/deletions`, body, FILES)).files
}

/** @throws DepotError, `NOT_FOUND` for a project that is not there */
export function setStatus(
  connection: Connection,
  project: string,
  body: { readonly status: string; readonly reason?: string },
): Promise<ProjectState> {
  return post(connection, `${project}/status`, body, STATUS)
}

/** Let a deleted file's name be used again. @throws DepotError, `NOT_FOUND` when no file of that name was deleted */
export function forgetFile(connection: Connection, { project, file }: NamedFile): Promise<NamedFile> {
  const path = `/python/-/tombstones/${project}/${encodeURIComponent(file)}` as const
  return callApi(connection, { method: 'DELETE', path }, z.object({ project: WORDS, file: WORDS }))
}

function post<T>(connection: Connection, path: string, body: object, schema: z.ZodType<T>): Promise<T> {
  return callApi(connection, { method: 'POST', path: `/python/-/projects/${path}`, body }, schema)
}
