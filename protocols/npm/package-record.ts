import type { PackageRecord, VersionRecord } from './records.ts'
import { highestVersion } from './version.ts'

export interface PackageChange {
  readonly version: string
  /** ISO 8601. */
  readonly now: string
  /** Tags to point at the version. */
  readonly tags: readonly string[]
  /** Point `latest` at the version when nothing is, as npmjs does for a first `npm publish --tag beta`. */
  readonly latestByDefault?: boolean
  /** Top-level fields that come with the version, and hold as long as it is the latest. */
  readonly fields?: Readonly<Record<string, unknown>>
}

/** A package's record after one of its versions was added or tagged. */
export function changedPackage(before: PackageRecord | undefined, change: PackageChange): PackageRecord {
  const { version, now, latestByDefault = false, fields = {} } = change
  const wanted =
    latestByDefault && !Object.hasOwn(before?.tags ?? {}, 'latest') ? ['latest', ...change.tags] : change.tags
  const tags = { ...before?.tags, ...Object.fromEntries(wanted.map((tag) => [tag, version])) }
  return {
    ...before,
    tags,
    created: before?.created ?? now,
    modified: now,
    times: { ...before?.times, ...(Object.hasOwn(before?.times ?? {}, version) ? {} : { [version]: now }) },
    fields: wanted.includes('latest') ? { ...fields } : (before?.fields ?? {}),
  }
}

/** A version as its package's owners want it read: deprecated since, or not any more. */
export function withDeprecation(
  { deprecated = {} }: PackageRecord,
  version: string,
  found: VersionRecord,
): VersionRecord {
  if (!Object.hasOwn(deprecated, version)) return found
  const { deprecated: _before, ...manifest } = found.manifest
  const text = deprecated[version] ?? ''
  return { ...found, manifest: text === '' ? manifest : { ...manifest, deprecated: text } }
}

/**
 * A package's record after versions were deleted: their tags go too, and `latest` moves to the highest release that is left (to the
 * highest version when there is no release). Of a package without versions nothing is left but when it began.
 */
export function withoutVersions(before: PackageRecord, gone: ReadonlySet<string>, now: string): PackageRecord {
  const times = without(before.times, (version) => gone.has(version))
  const latest = highestVersion(Object.keys(times))
  if (latest === undefined) return { tags: {}, created: before.created, modified: now, times, fields: {} }
  const tags = without(before.tags, (_tag, version) => gone.has(version))
  const moved = Object.hasOwn(before.tags, 'latest') && !Object.hasOwn(tags, 'latest')
  const { deprecated, ...rest } = before
  return {
    ...rest,
    tags: moved ? { ...tags, latest } : tags,
    modified: now,
    times,
    // What the deleted one said of the package does not speak for another.
    fields: moved ? {} : before.fields,
    ...(deprecated === undefined ? {} : { deprecated: without(deprecated, (version) => gone.has(version)) }),
  }
}

function without(
  table: Readonly<Record<string, string>>,
  dropped: (key: string, value: string) => boolean,
): Record<string, string> {
  return Object.fromEntries(Object.entries(table).filter(([key, value]) => !dropped(key, value)))
}

/** A package's record after the texts of some of its versions were changed; the same one when they say what was there. */
export function withDeprecations(before: PackageRecord, texts: ReadonlyMap<string, string>): PackageRecord {
  const changed = [...texts].filter(
    ([version, text]) => Object.hasOwn(before.times, version) && before.deprecated?.[version] !== text,
  )
  return changed.length === 0
    ? before
    : { ...before, deprecated: { ...before.deprecated, ...Object.fromEntries(changed) } }
}

/** A package's record after somebody starred it, or took that back; the same one when nothing changes. */
export function withStar(before: PackageRecord, user: string, starred: boolean): PackageRecord {
  const { stars = [] } = before
  if (stars.includes(user) === starred) return before
  return { ...before, stars: starred ? [...stars, user] : stars.filter((name) => name !== user) }
}
