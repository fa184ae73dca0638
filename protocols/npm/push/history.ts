import { LIMITS } from '../../../src/limits.ts'
import type { VerdaccioPackage } from '../verdaccio.ts'

/** The body of `PUT /npm/-/packages/<name>/history`. */
export interface SentHistory {
  readonly time: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
  readonly deprecated: Readonly<Record<string, string>>
  readonly stars: readonly string[]
  readonly fields: { readonly readme?: string }
}

/** What another registry says of a package. */
export interface Elsewhere extends Pick<VerdaccioPackage, 'time' | 'tags' | 'stars' | 'readme'> {
  /** All that are known there, whether they are brought in or not. */
  readonly versions: readonly { readonly version: string }[]
}

/** A version that the depot has now. */
export interface DoneVersion {
  readonly version: string
  readonly deprecated: string | undefined
  /** When its file was written, where nobody knows better: milliseconds since 1970. */
  readonly fileMs?: number
}

/** What the depot had of the package before. */
export interface HereBefore {
  readonly versions: ReadonlyMap<string, { readonly deprecated: boolean }>
  readonly tags: ReadonlyMap<string, string>
  readonly time: ReadonlyMap<string, string>
}

export interface HistoryOptions {
  readonly elsewhere: Elsewhere
  readonly done: readonly DoneVersion[]
  readonly here: HereBefore
  /** Further versions that the depot has, and that tags may point at. */
  readonly alsoHere?: Iterable<string>
  /** Milliseconds since 1970. */
  readonly now: number
  /** Whether a tag may leave the version that it points at in the depot. By default, when the other registry knows that too. */
  readonly mayMove?: (tag: string, current: string) => boolean
}

/** A tag that stays where it is in the depot. */
export interface KeptTag {
  readonly tag: string
  readonly version: string
}

/**
 * What a depot is still to be told of a package: undefined when it knows. Times are those of the first publish, so the earlier of
 * two; a tag that points at something the depot alone has was moved there since, and is kept.
 */
export function historyOf(options: HistoryOptions): {
  readonly history: SentHistory | undefined
  readonly kept: readonly KeptTag[]
} {
  const { elsewhere: stored, done, here, now, mayMove } = options
  const present = new Set([...done.map(({ version }) => version), ...(options.alsoHere ?? [])])
  const theirs = new Set(stored.versions.map(({ version }) => version))
  const moves = mayMove ?? ((_tag: string, current: string) => theirs.has(current))
  const time = done.flatMap((version) => timeOf(stored, version, here, now))
  const tags: [string, string][] = []
  const kept: KeptTag[] = []
  for (const [tag, version] of stored.tags) {
    const current = here.tags.get(tag)
    if (!present.has(version) || current === version) continue
    if (current === undefined || moves(tag, current)) tags.push([tag, version])
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
function standing(stored: Elsewhere, present: ReadonlySet<string>, here: HereBefore): [string, string][] {
  return [...stored.tags].filter(([tag, version]) => present.has(version) && here.tags.get(tag) === version)
}

/** When it was published, as the other registry knows it or else by its file, unless the depot has an earlier time. */
function timeOf(
  stored: Elsewhere,
  { version, fileMs }: DoneVersion,
  here: HereBefore,
  now: number,
): [string, string][] {
  const byFile = fileMs === undefined ? undefined : new Date(fileMs).toISOString()
  const own = past(stored.time.get(version), now)[0] ?? past(byFile, now)[0]
  const known = here.time.get(version)
  if (own === undefined || (known !== undefined && Date.parse(known) <= Date.parse(own))) return []
  return [[version, own]]
}

/** A time, unless it lies ahead: a depot takes none of those. */
function past(text: string | undefined, now: number): string[] {
  return text !== undefined && Date.parse(text) <= now ? [text] : []
}
