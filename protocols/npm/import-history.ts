import { z } from 'zod'

import { DepotError } from '../../src/errors.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { LIMITS } from '../../src/limits.ts'
import { isPolluting } from './package-name.ts'
import type { PackageRecord } from './records.ts'
import { parseTag } from './version.ts'

/** What another registry knows of a package whose versions were brought in from there. */
export interface History {
  /** When versions were published, and the package `created` and last `modified`: ISO 8601, in UTC. */
  readonly time: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
  /** By version: why it should not be used any more. */
  readonly deprecated: Readonly<Record<string, string>>
  /** Names of those who starred the package. */
  readonly stars: readonly string[]
  /** Top-level fields of the packument that describe the package: its readme. */
  readonly fields: Readonly<Record<string, unknown>>
}

/**
 * Read a history as it is sent.
 *
 * @param now milliseconds since 1970
 * @throws DepotError `BAD_REQUEST`, also for a time that lies in the future: it would be the newest for ever
 */
export function parseHistory(value: unknown, now: number): History {
  const {
    time = {},
    tags = {},
    deprecated = {},
    stars = [],
    fields = {},
  } = parseAs(historySchema, value, 'the history')
  const latest = now + LIMITS.clockSkewSeconds * 1000
  for (const [what, text] of Object.entries(time)) {
    if (Date.parse(text) > latest) throw refused(`the time of ${what.slice(0, 300)} lies in the future`)
  }
  for (const tag of Object.keys(tags)) {
    if (parseTag(tag) === undefined) throw refused(`${tag.slice(0, 300)} cannot be a dist-tag`)
  }
  const odd = Object.keys(fields).find((key) => STRUCTURE.has(key) || key.startsWith('_') || isPolluting(key))
  if (odd !== undefined) throw refused(`the field ${odd.slice(0, 300)} does not describe a package`)
  return { time, tags, deprecated, stars, fields }
}

const UTC_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/

const historySchema = z.strictObject({
  time: z
    .record(z.string(), z.string().regex(UTC_TIME).refine(isOnCalendar, { error: 'not a time that any calendar has' }))
    .optional(),
  tags: z.record(z.string(), z.string()).optional(),
  deprecated: z.record(z.string(), z.string().max(LIMITS.npmDeprecationLengthMax)).optional(),
  stars: z.array(z.string().min(1).max(LIMITS.npmNameLengthMax)).max(LIMITS.npmStarsMax).optional(),
  fields: z.record(z.string(), z.unknown()).optional(),
})

/** Date.parse takes the 31st of February for a day of March, which stricter readers refuse together with the packument. */
function isOnCalendar(text: string): boolean {
  const at = new Date(text)
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text.slice(0, SECONDS_LENGTH))
}

const SECONDS_LENGTH = '2026-01-31T00:00:00'.length

/** Fields of a packument that are made from the versions and from the rest of the record. */
const STRUCTURE: ReadonlySet<string> = new Set(
  'name dist-tags versions time modified created access users maintainers'.split(' '),
)

/**
 * A package's record with its history in place, its versions in the order of their times.
 *
 * @throws DepotError `BAD_REQUEST` for a version that is not here: its bytes come first
 */
export function withHistory(record: PackageRecord, history: History): PackageRecord {
  const { created, modified, ...given } = history.time
  for (const version of [...Object.keys(given), ...Object.values(history.tags), ...Object.keys(history.deprecated)]) {
    if (!Object.hasOwn(record.times, version))
      throw refused(`version ${version.slice(0, 300)} is not here: send it first`)
  }
  const times = inOrder({ ...record.times, ...given })
  const all = Object.values(times)
  const tags = { ...record.tags, ...history.tags }
  const deprecated = { ...record.deprecated, ...history.deprecated }
  const stars = [...new Set([...(record.stars ?? []), ...history.stars])]
  return {
    ...record,
    tags,
    created: earliest([created ?? record.created, ...all]),
    modified: modified === undefined ? record.modified : latestOf([modified, ...all]),
    times,
    brought: broughtBy(record, history),
    fields: { ...record.fields, ...history.fields },
    ...(Object.keys(deprecated).length === 0 ? {} : { deprecated }),
    ...(stars.length === 0 ? {} : { stars }),
  }
}

/** What other registries have said of tags, the last word on each, and the last change that they told of. */
function broughtBy({ brought }: PackageRecord, { tags, time }: History): PackageRecord['brought'] {
  const told = [brought?.modified, time['modified']].filter((text) => text !== undefined)
  return { tags: { ...brought?.tags, ...tags }, ...(told.length === 0 ? {} : { modified: latestOf(told) }) }
}

/** Versions of one time keep their order. */
function inOrder(times: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(times)
      .map((entry) => ({ entry, at: Date.parse(entry[1]) }))
      .sort((one, other) => one.at - other.at)
      .map(({ entry }) => entry),
  )
}

function earliest(times: readonly string[]): string {
  return times.reduce((one, other) => (Date.parse(other) < Date.parse(one) ? other : one))
}

function latestOf(times: readonly string[]): string {
  return times.reduce((one, other) => (Date.parse(other) > Date.parse(one) ? other : one))
}

function refused(message: string): DepotError {
  return new DepotError('BAD_REQUEST', message)
}
