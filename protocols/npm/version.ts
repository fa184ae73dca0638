import semver from 'semver'

import { LIMITS } from '../../src/limits.ts'
import { isPolluting } from './package-name.ts'

/** A version in its one spelling (SemVer 2.0.0, no leading `v`, no build metadata), or undefined. */
export function parseVersion(text: string): string | undefined {
  return text.length <= LIMITS.npmVersionLengthMax && semver.valid(text) === text ? text : undefined
}

/** What npm makes of a package.json's version when it publishes: `v1.2.3` and `1.2.3+build` become `1.2.3`. */
export function publishedVersion(text: string): string | undefined {
  return text.length <= LIMITS.npmVersionLengthMax ? (semver.valid(text, { loose: true }) ?? undefined) : undefined
}

/** A dist-tag such as `latest`. What reads as a version or range is none: no client could ask for it. */
export function parseTag(text: string): string | undefined {
  if (text.length > LIMITS.npmNameLengthMax || !TAG.test(text) || isPolluting(text) || semver.validRange(text) !== null)
    return undefined
  return text
}

/** How a URL names one version of a package. */
export type Selector = { readonly version: string } | { readonly tag: string }

export function parseSelector(text: string): Selector | undefined {
  const version = parseVersion(text)
  if (version !== undefined) return { version }
  const tag = parseTag(text)
  return tag === undefined ? undefined : { tag }
}

/** The version that `latest` means when nobody tagged one: the highest release, else the highest of all. */
export function highestVersion(versions: readonly string[]): string | undefined {
  return semver.maxSatisfying(versions as string[], '*') ?? semver.rsort([...versions])[0]
}

const TAG = /^[A-Za-z0-9~][A-Za-z0-9._~-]*$/
