import { SOME_NAME } from '../../src/access.ts'
import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import type { Cache } from '../../src/kv-store.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import {
  finalMark,
  keywordsOf,
  maintainersOf,
  marksOf,
  personOf,
  relevance,
  searchEntry,
  textOf,
  type Described,
  type SearchEntry,
} from './search-entry.ts'
import { createSearchIndex, describePackage, type SearchIndex } from './search-index.ts'
import { parseSearch, type SearchQuery } from './search-query.ts'

/** `npm search`: `GET /-/v1/search`, as npmjs answers it, over the packages that the caller may read. */
export function searchRoutes(depot: Depot): readonly Route[] {
  const indexes = new Map<number, SearchIndex>()

  function indexOf(cache: Cache): SearchIndex {
    const known = indexes.get(cache.id)
    if (known !== undefined) return known
    const made = createSearchIndex(depot, cache)
    indexes.set(cache.id, made)
    return made
  }

  return [
    route({
      method: 'GET',
      pattern: '/-/v1/search',
      action: 'read',
      resource: SOME_NAME,
      handle: (request) => search(depot, indexOf(request.cache), request),
    }),
  ]
}

async function search(depot: Depot, index: SearchIndex, request: DepotRequest): Promise<Response> {
  const query = parseSearch(request.query)
  // Whoever may read what concerns all names may read each of them.
  const mayReadAll = request.may('')
  const hits = await findHits(await index.entries(), query, mayReadAll ? () => true : (name) => request.may(name))
  const page = hits.page(query.from, query.size)
  const objects: object[] = []
  for (const { entry, score } of page) {
    const described = await describePackage(depot, request.cache, entry.name)
    if (described !== undefined) objects.push(hitObject(described, score, query))
    await breath()
  }
  return jsonResponse(
    200,
    { objects, total: hits.total, time: new Date().toISOString() },
    { 'Cache-Control': 'no-store' },
  )
}

interface Hit {
  readonly entry: SearchEntry
  readonly score: number
}

interface Hits {
  readonly total: number
  /** Hits in order: the best first, those that are as good by name. */
  page(from: number, size: number): readonly Hit[]
}

/** Scores are told apart to this part of a point: a handful of different ones, so nothing needs to be sorted but these. */
const SCORE_STEPS = 1000

async function findHits(
  entries: readonly SearchEntry[],
  query: SearchQuery,
  mayRead: (name: string) => boolean,
): Promise<Hits> {
  const byScore = new Map<number, SearchEntry[]>()
  let total = 0
  let unlooked = CHARACTERS_PER_LOOK
  for (const entry of entries) {
    unlooked += entry.text.length
    if (unlooked > CHARACTERS_PER_LOOK) {
      unlooked = 0
      await breath()
    }
    const points = relevance(entry, query)
    if (points === undefined || !mayRead(entry.name)) continue
    const score = Math.round((points + finalMark(entry, query.weights)) * SCORE_STEPS)
    const equals = byScore.get(score)
    if (equals === undefined) byScore.set(score, [entry])
    else equals.push(entry)
    total++
  }
  const scores = [...byScore.keys()].sort((one, other) => other - one)
  return { total, page: (from, size) => pageOf(scores, byScore, from, from + size) }
}

/** What is searched between two looks at the clock: some milliseconds, even where publishers and searchers make it as slow as it can be. */
const CHARACTERS_PER_LOOK = 32 * 1024

function pageOf(
  scores: readonly number[],
  byScore: ReadonlyMap<number, readonly SearchEntry[]>,
  from: number,
  to: number,
): readonly Hit[] {
  const page: Hit[] = []
  let before = 0
  for (const score of scores) {
    const equals = byScore.get(score) ?? []
    const part = equals.slice(Math.max(from - before, 0), Math.max(to - before, 0))
    for (const entry of part) page.push({ entry, score: score / SCORE_STEPS })
    before += equals.length
    if (before >= to) break
  }
  return page
}

function hitObject({ name, record, latest }: Described, searchScore: number, { weights }: SearchQuery): object {
  const { manifest } = latest
  const { version } = manifest
  const entry = searchEntry({ name, record, latest })
  const people = maintainersOf(record, manifest).map(personOf)
  const publisher = personOf(manifest['_npmUser'] ?? people[0])
  return {
    package: {
      name,
      scope: name.startsWith('@') ? name.slice(1, name.indexOf('/')) : 'unscoped',
      version,
      description: textOf(manifest['description']),
      keywords: keywordsOf(manifest),
      date: Object.hasOwn(record.times, version) ? record.times[version] : record.modified,
      links: linksOf(manifest),
      ...(manifest['author'] === undefined ? {} : { author: authorOf(manifest['author']) }),
      publisher: { username: '', ...publisher },
      maintainers: people.map((person) => ({ username: '', ...person })),
    },
    ...flagsOf(entry),
    score: { final: finalMark(entry, weights), detail: marksOf(entry) },
    searchScore,
  }
}

function authorOf(value: unknown): object {
  const { username = '', email } = personOf(value)
  return { name: username, ...(email === undefined ? {} : { email }) }
}

function flagsOf({ isUnstable }: SearchEntry): object {
  return isUnstable ? { flags: { unstable: true } } : {}
}

/** Addresses that a person may be led to: whoever shows them must not run what a publisher wrote. */
function linksOf(manifest: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const links: Record<string, string> = {}
  for (const field of ['homepage', 'repository', 'bugs']) {
    const link = linkOf(manifest[field])
    if (link !== undefined) links[field] = link
  }
  return links
}

function linkOf(value: unknown): string | undefined {
  const given = typeof value === 'object' && value !== null && 'url' in value ? value.url : value
  const url = URL.parse(textOf(given).replace(/^git\+/, ''))
  return url !== null && ['http:', 'https:'].includes(url.protocol) ? url.href : undefined
}
