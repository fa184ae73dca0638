import { z } from 'zod'

import type { Depot } from '../../src/depot.ts'
import type { Cache, Commit, KvRecord, RecordPut } from '../../src/kv-store.ts'
import { findDistribution, type Distribution } from './filename.ts'
import { identityOf } from './identity.ts'
import { FILE_KIND, fileKey, PLACE_KIND, PLACED_KIND, PROJECT_KIND } from './records.ts'

/** Where a distribution stands, or would stand, among those of its project. */
export interface Place {
  /** The file that has it, deleted or not; undefined when it is free. */
  readonly holder: { readonly filename: string; readonly record: KvRecord } | undefined
  /** Gives it to the distribution, unless somebody else takes it meanwhile. */
  readonly taking: RecordPut
}

/** Find the place of a distribution: the file of its own name has it, else the one that is the same to an installer. */
export async function findPlace(depot: Depot, cache: Cache, distribution: Distribution): Promise<Place> {
  const { filename } = distribution
  const own = await readFile(depot, cache, distribution, filename)
  if (own !== undefined) return { holder: { filename, record: own }, taking: placePut(distribution, 0) }
  await placeFiles(depot, cache, distribution.project)
  const place = await depot.get(cache, PLACE_KIND, placeKey(distribution))
  const taking = placePut(distribution, place?.version ?? 0)
  if (place === undefined) return { holder: undefined, taking }
  const named = holderOf(place)
  const record = await readFile(depot, cache, distribution, named)
  return { holder: record && { filename: named, record }, taking }
}

/** The file that has the place of a distribution, as far as that is written down; it changes nothing. */
export async function placedAs(depot: Depot, cache: Cache, distribution: Distribution): Promise<string | undefined> {
  const place = await depot.get(cache, PLACE_KIND, placeKey(distribution))
  return place && holderOf(place)
}

/** What belongs into a commit that takes away the record of a deleted file: its place is free, or another file's that has it as well. */
export async function leavePlace(
  depot: Depot,
  cache: Cache,
  distribution: Distribution,
): Promise<Pick<Commit, 'puts' | 'deletes'>> {
  await placeFiles(depot, cache, distribution.project)
  const place = await depot.get(cache, PLACE_KIND, placeKey(distribution))
  if (place === undefined) return {}
  const { key, version: expected } = place
  const named = holderOf(place)
  const left = named === distribution.filename ? await findSame(depot, cache, distribution) : named
  if (left === undefined) return { deletes: [{ kind: PLACE_KIND, key, expected }] }
  // Put even when nothing changes: of two files that go at once, the later one must hear of it.
  return { puts: [{ kind: PLACE_KIND, key, value: placeValue(left), expected }] }
}

/** Belongs into the commit that makes a project: whoever gives it files sees to their places. */
export function placedPut(project: string): RecordPut {
  return { kind: PLACED_KIND, key: project, value: '{}' }
}

const placeSchema = z.object({ filename: z.string() })

function holderOf(place: KvRecord): string {
  return placeSchema.parse(JSON.parse(place.value)).filename
}

function placeValue(filename: string): string {
  return JSON.stringify({ filename })
}

/** Hardly longer than the key of the file. */
function placeKey(distribution: Distribution): string {
  return `${distribution.project}/${identityOf(distribution)}`
}

function placePut(distribution: Distribution, expected: number): RecordPut {
  return { kind: PLACE_KIND, key: placeKey(distribution), value: placeValue(distribution.filename), expected }
}

async function readFile(
  depot: Depot,
  cache: Cache,
  { project }: Distribution,
  filename: string,
): Promise<KvRecord | undefined> {
  return depot.get(cache, FILE_KIND, fileKey(project, filename))
}

/** Another file with the place of this one: older depots took both. */
async function findSame(depot: Depot, cache: Cache, distribution: Distribution): Promise<string | undefined> {
  const key = placeKey(distribution)
  for await (const other of distributionsOf(depot, cache, distribution.project)) {
    if (other.filename !== distribution.filename && placeKey(other) === key) return other.filename
  }
  return undefined
}

async function* distributionsOf(depot: Depot, cache: Cache, project: string): AsyncGenerator<Distribution> {
  for await (const { key } of depot.all(cache, FILE_KIND, fileKey(project, ''))) {
    const distribution = findDistribution(key.slice(fileKey(project, '').length))
    if (distribution !== undefined) yield distribution
  }
}

const PAGE = 500

/**
 * Write the places of files that were stored by a depot which did not write them: once in the life of a project, one pass over its files.
 * Files that come or go meanwhile see to their own.
 */
async function placeFiles(depot: Depot, cache: Cache, project: string): Promise<void> {
  if ((await depot.get(cache, PLACED_KIND, project)) !== undefined) return
  if ((await depot.get(cache, PROJECT_KIND, project)) === undefined) return
  await depot.retryConflicts(async () => {
    let some: Distribution[] = []
    for await (const distribution of distributionsOf(depot, cache, project)) {
      some.push(distribution)
      if (some.length < PAGE) continue
      await placeSome(depot, cache, some)
      some = []
    }
    await placeSome(depot, cache, some)
    await depot.commit(cache, { puts: [placedPut(project)] })
  })
}

/** @throws DepotError `WRITE_CONFLICT` when one of them came or went meanwhile */
async function placeSome(depot: Depot, cache: Cache, some: readonly Distribution[]): Promise<void> {
  // Of two files with one place the first has it.
  const byKey = new Map(some.toReversed().map((distribution) => [placeKey(distribution), distribution]))
  if (byKey.size === 0) return
  for (const key of await depot.kv.present(cache.id, PLACE_KIND, [...byKey.keys()])) byKey.delete(key)
  const missing = [...byKey.values()]
  await depot.commit(cache, {
    puts: missing.map((distribution) => placePut(distribution, 0)),
    present: missing.map(({ project, filename }) => ({ kind: FILE_KIND, key: fileKey(project, filename) })),
  })
}
