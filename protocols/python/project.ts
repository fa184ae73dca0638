import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { Cache, Commit, KvRecord } from '../../src/kv-store.ts'
import { placedPut } from './places.ts'
import {
  EMPTY_KIND,
  emptyKey,
  FILE_KIND,
  LIST_KEY,
  LIST_KIND,
  parseFile,
  parseStatus,
  PROJECT_KIND,
  STATUS_KIND,
  type ProjectStatus,
  type PythonFile,
  type Tombstone,
} from './records.ts'

/** A record of a file, and what it says. */
export interface FileRecord<T = PythonFile | Tombstone> {
  readonly filename: string
  readonly file: T
  /** Of the record. */
  readonly version: number
}

/** The record of a project that has, or had, files. @throws DepotError `NOT_FOUND` */
export async function knownProject(depot: Depot, cache: Cache, project: string): Promise<KvRecord> {
  const known = await depot.get(cache, PROJECT_KIND, project)
  if (known === undefined) throw noProject(project)
  return known
}

export function noProject(project: string): DepotError {
  return new DepotError('NOT_FOUND', `there is no project ${project} here`)
}

/** All records of a project's files, tombstones too, in the order of their names. */
export async function readFiles(depot: Depot, cache: Cache, project: string): Promise<readonly FileRecord[]> {
  return Array.fromAsync(depot.all(cache, FILE_KIND, `${project}/`), (record) => ({
    filename: record.key.slice(project.length + 1),
    file: parseFile(record),
    version: record.version,
  }))
}

/** Undefined for a project that is active, or not there. */
export async function readStatus(depot: Depot, cache: Cache, project: string): Promise<ProjectStatus | undefined> {
  const record = await depot.get(cache, STATUS_KIND, project)
  return record && parseStatus(record)
}

/** The names of all projects that have files, in ascending order. */
export async function projectNames(depot: Depot, cache: Cache): Promise<readonly string[]> {
  const empty = new Set(await Array.fromAsync(depot.all(cache, EMPTY_KIND), ({ key }) => key))
  const names = await Array.fromAsync(depot.all(cache, PROJECT_KIND), ({ key }) => key)
  return empty.size === 0 ? names : names.filter((name) => !empty.has(emptyKey(name)))
}

/** A part of a commit. */
export type Change = Required<Pick<Commit, 'puts' | 'deletes' | 'absent'>>

/** The list of projects is rendered anew. */
const LIST_PUT = { kind: LIST_KIND, key: LIST_KEY, value: '{}' }

/**
 * What belongs into a commit that gives a project a file: its pages are rendered anew, and the list of projects when it was not in it.
 * The project is put whatever its version is, so that two uploads at once both win.
 */
export async function withFile(depot: Depot, cache: Cache, project: string, name: string): Promise<Change> {
  const known = await depot.get(cache, PROJECT_KIND, project)
  if (known === undefined) {
    const made = { kind: PROJECT_KIND, key: project, value: JSON.stringify({ name }), expected: 0 }
    return { puts: [made, placedPut(project), LIST_PUT], deletes: [], absent: [] }
  }
  const empty = await depot.get(cache, EMPTY_KIND, emptyKey(project))
  if (empty === undefined)
    return { puts: [projectPut(known)], deletes: [], absent: [{ kind: EMPTY_KIND, prefix: emptyKey(project) }] }
  return {
    puts: [projectPut(known), LIST_PUT],
    deletes: [{ kind: EMPTY_KIND, key: empty.key, expected: empty.version }],
    absent: [],
  }
}

/** What belongs into a commit that changes something of a project which stays as full as it was. */
export function changedProject(known: KvRecord): Pick<Change, 'puts'> {
  return { puts: [projectPut(known)] }
}

/**
 * What belongs into a commit that takes files from a project. Whatever else happens to it meanwhile is a conflict: what is left is
 * what counts.
 */
export function withoutFiles(known: KvRecord, isEmpty: boolean): Pick<Change, 'puts'> {
  const project = { ...projectPut(known), expected: known.version }
  if (!isEmpty) return { puts: [project] }
  return { puts: [project, { kind: EMPTY_KIND, key: emptyKey(known.key), value: '{}' }, LIST_PUT] }
}

function projectPut({ key, value }: KvRecord) {
  return { kind: PROJECT_KIND, key, value }
}
