import type { VerdaccioPackage } from '../protocols/npm/verdaccio.ts'
import { LIMITS } from '../src/limits.ts'
import type { FoundFile } from './import-files.ts'
import type { Here } from './npm-import-depot.ts'

/** The body of `PUT /npm/-/packages/<name>/history`. */
export interface SentHistory {
  readonly time: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
  readonly deprecated: Readonly<Record<string, string>>
  readonly stars: readonly string[]
  readonly fields: { readonly readme?: string }
}

/** A version that the depot has. */
interface DoneVersion {
  readonly version: string
  readonly deprecated: string | undefined
  readonly file: Pick<FoundFile, 'modifiedMs'>
}

/**
 * What a depot is still to be told of a package: undefined when it knows. Times are those of the first publish, so the earlier of
 * two; a tag that points at something the depot alone has was moved there since, and is kept.
 *
 * @param now milliseconds since 1970
 */
export function historyOf(
  stored: VerdaccioPackage,
  done: readonly DoneVersion[],
  here: Here,
  now: number,
): {
  readonly history: SentHistory | undefined
  readonly kept: readonly { readonly tag: string; readonly version: string }[]
} {
  const present = new Set(done.map(({ version }) => version))
  const theirs = new Set(stored.versions.map(({ version }) => version))
  const time = done.flatMap((version) => timeOf(stored, version, here, now))
  const tags: [string, string][] = []
  const kept: { tag: string; version: string }[] = []
  for (const [tag, version] of stored.tags) {
    const current = here.tags.get(tag)
    if (!present.has(version) || current === version) continue
    if (current === undefined || theirs.has(current)) tags.push([tag, version])
    else kept.push({ tag, version: current })
  }
  const deprecated = done.flatMap(({ version, deprecated: text }): [string, string][] =>
    text === undefined || here.versions.get(version)?.deprecated === true || !here.versions.has(version)
      ? []
      : [[version, text.slice(0, LIMITS.npmDeprecationLengthMax)]],
  )
  const isNew = done.some(({ version }) => !here.versions.has(version))
  if (!isNew && time.length + tags.length + deprecated.length === 0) return { history: undefined, kept }
  const whole = (['created', 'modified'] as const).flatMap((what) =>
    past(stored.time.get(what), now).map((text): [string, string] => [what, text]),
  )
  const history = {
    time: Object.fromEntries([...whole, ...time]),
    tags: Object.fromEntries([...tags, ...standing(stored, present, here)]),
    deprecated: Object.fromEntries(deprecated),
    stars: stored.stars,
    // A later publish brings a later readme.
    fields: stored.readme === undefined || kept.some(({ tag }) => tag === 'latest') ? {} : { readme: stored.readme },
  }
  return { history, kept }
}

/** Tags that the depot shows as they should be: `latest` may be its own guess so far. */
function standing(stored: VerdaccioPackage, present: ReadonlySet<string>, here: Here): [string, string][] {
  return [...stored.tags].filter(([tag, version]) => present.has(version) && here.tags.get(tag) === version)
}

/** When it was published, as Verdaccio knows it or else by its file, unless the depot has an earlier time. */
function timeOf(stored: VerdaccioPackage, { version, file }: DoneVersion, here: Here, now: number): [string, string][] {
  const own = past(stored.time.get(version), now)[0] ?? past(new Date(file.modifiedMs).toISOString(), now)[0]
  const known = here.time.get(version)
  if (own === undefined || (known !== undefined && Date.parse(known) <= Date.parse(own))) return []
  return [[version, own]]
}

/** A time, unless it lies ahead: a depot takes none of those. */
function past(text: string | undefined, now: number): string[] {
  return text !== undefined && Date.parse(text) <= now ? [text] : []
}
