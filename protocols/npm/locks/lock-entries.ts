import { parsePackageName } from '../package-name.ts'
import { publishedVersion } from '../version.ts'
import type { LockedPackage, LockedSource, LockKind } from './locked-package.ts'
import type { TextTree } from './tree.ts'

/** Where a lock file spells the address of a tarball, and how an address is spelled there. */
export interface Place {
  readonly at: number
  readonly end: number
  /** `encoded`: as a part of a URL, in percent signs. */
  readonly spelling: 'quoted' | 'plain' | 'encoded'
}

export interface LockEntry extends LockedPackage {
  /** Where `resolved` stands; without yarn's `#<sha1>`. */
  readonly place?: Place
}

/** A lock file as its parser found it: a package may stand there several times. */
export interface LockEntries {
  readonly kind: LockKind
  readonly packages: readonly LockEntry[]
  readonly others: readonly LockedSource[]
  /** Further addresses that nobody downloads: an npm lock v2 lists all packages twice, bun the addresses of what is bundled. */
  readonly again: readonly LockEntry[]
}

/** One package of a registry as a parser found it; what is undefined is left out. */
export interface FoundPackage {
  readonly name: string
  readonly version: string
  readonly integrity?: string | undefined
  readonly resolved?: { readonly url: string; readonly place: Place } | undefined
  readonly platforms?: { readonly [key in 'os' | 'cpu' | 'libc']?: readonly string[] | undefined } | undefined
  readonly optional?: boolean
}

/** The entry, or, for a name or version that no registry could have, what is wrong with it. */
export function entryOf(found: FoundPackage): LockEntry | LockedSource {
  const { name, integrity, resolved, platforms = {}, optional = false } = found
  const item = `${name}@${found.version}`.slice(0, ITEM_LENGTH_MAX)
  const version = publishedVersion(found.version)
  if (parsePackageName(name) === undefined) return { item, reason: 'no registry has such a name', breaks: !optional }
  if (version === undefined) return { item, reason: 'no registry has such a version', breaks: !optional }
  const { os, cpu, libc } = platforms
  return {
    name,
    version,
    optional,
    ...(integrity === undefined ? {} : { integrity }),
    ...(resolved === undefined ? {} : { resolved: resolved.url, place: resolved.place }),
    ...(os === undefined ? {} : { os }),
    ...(cpu === undefined ? {} : { cpu }),
    ...(libc === undefined ? {} : { libc }),
  }
}

export function isEntry(entry: LockEntry | LockedSource): entry is LockEntry {
  return 'version' in entry
}

/** Sort what a parser found. */
export function lockEntries(
  kind: LockKind,
  found: Iterable<LockEntry | LockedSource>,
  again: readonly LockEntry[] = [],
): LockEntries {
  const packages: LockEntry[] = []
  const others: LockedSource[] = []
  for (const entry of found) {
    if (isEntry(entry)) packages.push(entry)
    else others.push(entry)
  }
  return { kind, packages, others, again }
}

/** An http(s) address that stands in a file as it is. */
export function addressOf({ text, at, end, quoted }: TextTree): FoundPackage['resolved'] {
  return { url: text, place: { at, end, spelling: quoted ? 'quoted' : 'plain' } }
}

/** What comes from no registry, told by how it is referred to. */
export function sourceOf(item: string, reference: string, optional = false): LockedSource {
  const described = SOURCES.find(([pattern]) => pattern.test(reference)) ?? ELSEWHERE
  const [, reason, travels] = described
  return {
    item: item.slice(0, ITEM_LENGTH_MAX),
    reason,
    ...(travels ? {} : { url: reference }),
    breaks: !travels && !optional,
  }
}

/** Order counts: a git repository may be at an http address. */
const SOURCES: readonly (readonly [RegExp, string, boolean])[] = [
  [/^(?:file|link|portal|exec|workspace):|^\.{0,2}\//, 'a file of the project, which comes along with it', true],
  [/^(?:git|github|gitlab|bitbucket|gist|ssh)[+:]|^git@|\.git(?:#|$)|#commit=/, 'a git repository', false],
  [/^https?:/, 'a tarball that is no package of a registry', false],
]
const ELSEWHERE = [/^/, 'of no registry', false] as const

/** A lock file may call something by a text of any length. */
const ITEM_LENGTH_MAX = 500

/** Whether an address is one that a client fetches by http. */
export function isHttp(text: string): boolean {
  return /^https?:\/\//i.test(text)
}
