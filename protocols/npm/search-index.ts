import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import type { AuditRow, Cache, KvRecord } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { oneAtATime } from '../../src/one-at-a-time.ts'
import { packageIn } from './audit-line.ts'
import { loadVersion } from './packages.ts'
import { KIND, readPackage, type PackageRecord } from './records.ts'
import { latestOf, searchEntry, type Described, type SearchEntry } from './search-entry.ts'

/** Every package of a cache, as far as searches need it. */
export interface SearchIndex {
  /** All packages by name, as they were when this was called or later. The list is never changed, only replaced. */
  entries(): Promise<readonly SearchEntry[]>
}

/**
 * An index that is made at the first search, and follows the audit log from there: one read tells that nothing has changed, and otherwise
 * which packages have, whichever server changed them.
 */
export function createSearchIndex(depot: Depot, cache: Cache): SearchIndex {
  let entries: readonly SearchEntry[] = []
  let seen: number | undefined

  const refresh = oneAtATime(async () => {
    if (seen === undefined) {
      // Asked for first: what changes while the records are read is read once more.
      const head = await depot.kv.auditHead()
      entries = await readAll(depot, cache)
      seen = head
    }
    const changed = await changesBehind(depot, cache, seen)
    if (changed.names.size > 0)
      entries = merged(entries, await describeAll(depot, cache, [...changed.names].sort(byUnits)))
    seen = changed.head
  })

  return {
    async entries() {
      await refresh()
      return entries
    },
  }
}

/** The package as its latest version describes it, or undefined when none is left. */
export async function describePackage(
  depot: Depot,
  cache: Cache,
  name: string,
  value?: string,
): Promise<Described | undefined> {
  const text = value ?? (await depot.get(cache, KIND.package, name))?.value
  if (text === undefined) return undefined
  await breath()
  const record: PackageRecord = readPackage(text)
  const version = latestOf(record)
  const latest = version === undefined ? undefined : await loadVersion(depot, cache, name, version)
  return latest === undefined ? undefined : { name, record, latest }
}

/** Records with readmes may have some megabytes each, and all of a page are read at once. */
const RECORDS_PER_PAGE = 8

async function readAll(depot: Depot, cache: Cache): Promise<readonly SearchEntry[]> {
  const entries: SearchEntry[] = []
  let page: readonly KvRecord[]
  let after: string | undefined
  do {
    const behind = after === undefined ? {} : { after }
    page = await depot.kv.list(cache.id, KIND.package, { from: '', limit: RECORDS_PER_PAGE, ...behind })
    const described = await Promise.all(page.map(({ key, value }) => describePackage(depot, cache, key, value)))
    for (const one of described) if (one !== undefined) entries.push(searchEntry(one))
    after = page.at(-1)?.key
    await breath()
  } while (page.length === RECORDS_PER_PAGE)
  return entries.sort((one, other) => byUnits(one.name, other.name))
}

/** Which packages the log names behind a line. */
async function changesBehind(
  depot: Depot,
  cache: Cache,
  seen: number,
): Promise<{ readonly head: number; readonly names: ReadonlySet<string> }> {
  const names = new Set<string>()
  let head = seen
  for (;;) {
    const lines: readonly AuditRow[] = await depot.kv.audit(head, LIMITS.lookupKeysMax)
    for (const line of lines) {
      const name = line.cache === cache.id ? packageIn(line) : undefined
      if (name !== undefined) names.add(name)
    }
    head = lines.at(-1)?.seq ?? head
    if (lines.length < LIMITS.lookupKeysMax) return { head, names }
    await breath()
  }
}

type Change = readonly [name: string, entry: SearchEntry | undefined]

async function describeAll(depot: Depot, cache: Cache, names: readonly string[]): Promise<readonly Change[]> {
  const changes: Change[] = []
  for (let at = 0; at < names.length; at += RECORDS_PER_PAGE) {
    const some = names.slice(at, at + RECORDS_PER_PAGE)
    const described = await Promise.all(some.map((name) => describePackage(depot, cache, name)))
    for (const [index, one] of described.entries())
      changes.push([some[index] ?? '', one === undefined ? undefined : searchEntry(one)])
    await breath()
  }
  return changes
}

/** The list with changes made, both in the order of names. A package that is no more has no entry. */
function merged(entries: readonly SearchEntry[], changes: readonly Change[]): readonly SearchEntry[] {
  const list: SearchEntry[] = []
  let next = 0
  for (const [name, entry] of changes) {
    for (; next < entries.length; next++) {
      const known = entries[next]
      if (known === undefined || known.name >= name) break
      list.push(known)
    }
    if (entries[next]?.name === name) next++
    if (entry !== undefined) list.push(entry)
  }
  for (; next < entries.length; next++) {
    const known = entries[next]
    if (known !== undefined) list.push(known)
  }
  return list
}

function byUnits(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
