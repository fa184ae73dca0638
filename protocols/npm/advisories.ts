import { createHash } from 'node:crypto'

import semver from 'semver'
import { z } from 'zod'

import { breath } from '../../src/breath.ts'
import { messageOf } from '../../src/thrown.ts'
import { damaged, type JsonValue } from './json-values.ts'
import { advisoriesOf, osvSchema, type OsvAdvisory } from './osv.ts'

/** A weakness of a package, as npm's bulk answer has it; what other registries say besides passes through. */
export type Advisory = z.infer<typeof advisorySchema>

const advisorySchema = z.looseObject({
  id: z.union([z.number(), z.string()]),
  url: z.string().optional(),
  title: z.string().optional(),
  severity: z.string().optional(),
  vulnerable_versions: z.string().optional(),
})

const bulkSchema = z.record(z.string(), z.array(advisorySchema))

/** What is known of weaknesses, at this moment. */
export interface Advisories {
  of(name: string): readonly Advisory[]
}

/** For a depot that was given no advisories: nothing has any. */
export const NO_ADVISORIES: Advisories = { of: () => [] }

/** Advisories by package, as little of each as an answer needs. */
export interface AdvisoryBook extends Advisories {
  /** Packages that have any. */
  readonly packages: number
}

/** Takes in OSV records and saved bulk answers, one after another. */
export interface AdvisoryReader {
  /** @throws DepotError `BAD_REQUEST` that names the line */
  take(value: JsonValue): void
  finish(): AdvisoryBook
}

export function createAdvisoryReader(): AdvisoryReader {
  const byName = new Map<string, string[]>()
  const add = (name: string, packed: object): void => {
    const texts = byName.get(name)
    const own = flat(JSON.stringify(packed))
    if (texts === undefined) byName.set(flat(name), [own])
    else texts.push(own)
  }

  return {
    take({ line, value }) {
      try {
        if (isOsv(value))
          for (const advisory of advisoriesOf(osvSchema.parse(value))) add(advisory.name, packed(advisory))
        else
          for (const [name, advisories] of Object.entries(bulkSchema.parse(value)))
            for (const one of advisories) add(name, one)
      } catch (error) {
        throw damaged(line, `neither an OSV record nor a bulk answer: ${firstIssue(error)}`, error)
      }
    },
    finish: () => ({
      packages: byName.size,
      of: (name) => distinct((byName.get(name) ?? []).map((text) => unpacked(JSON.parse(text) as object))),
    }),
  }
}

/** A name may be `id`; its advisories are then a list. */
function isOsv(value: object): boolean {
  return 'id' in value && typeof value.id === 'string'
}

function firstIssue(error: unknown): string {
  const issue = error instanceof z.ZodError ? error.issues[0] : undefined
  return issue === undefined ? messageOf(error) : `${issue.path.join('.')}: ${issue.message}`.slice(0, 300)
}

/** A text of its own: a part of a longer one would hold all of that in memory. */
function flat(text: string): string {
  return Buffer.from(text).toString()
}

type Packed = readonly [
  id: string,
  title: string,
  severity: string,
  versions: string,
  cwe: readonly string[],
  score: number,
  vector: string,
]

/** Two hundred thousand of them lie in memory: what can be computed is left out. */
function packed({ osvId, title, severity, versions, cwe, score, vector }: OsvAdvisory): Packed {
  return [osvId, title, severity, versions, cwe, score, vector]
}

function unpacked(value: object): Advisory {
  if (!Array.isArray(value)) return value as Advisory
  const [osvId, title, severity, versions, cwe, score, vector] = value as unknown as Packed
  return {
    id: numberOf(osvId),
    url: osvId.startsWith('GHSA-')
      ? `https://github.com/advisories/${osvId}`
      : `https://osv.dev/vulnerability/${osvId}`,
    title,
    severity,
    vulnerable_versions: versions,
    cwe,
    cvss: { score, vectorString: vector === '' ? null : vector },
  }
}

/** Clients tell advisories apart by a number, and there is none in OSV: 31 bits of the id's hash, which all of them can hold. */
function numberOf(osvId: string): number {
  return createHash('sha256').update(osvId).digest().readUInt32BE() >>> 1
}

/** The same one may stand in OSV's files and in a saved answer. */
function distinct(advisories: readonly Advisory[]): readonly Advisory[] {
  const byUrl = new Map(advisories.map((advisory) => [advisory.url ?? String(advisory.id), advisory]))
  return [...byUrl.values()]
}

/** The versions that are affected. What is no version is not; a range that cannot be read affects all. Others are served meanwhile. */
export async function affected(
  { vulnerable_versions: versions = '*' }: Advisory,
  asked: readonly string[],
): Promise<readonly string[]> {
  const parsed = asked.map((text) => semver.parse(text, MATCHING))
  const hit = asked.map(() => false)
  let readable = false
  for (const part of someAtATime(versions)) {
    await breath()
    const range = readRange(part)
    if (range === undefined) continue
    readable = true
    for (const [index, version] of parsed.entries())
      if (hit[index] === false && version !== null) hit[index] = range.test(version)
  }
  return asked.filter((_text, index) => parsed[index] !== null && (!readable || hit[index] === true))
}

/** Alternatives of a range that are looked at without a pause: a record about malware lists every version that there was. */
const ALTERNATIVES_AT_ONCE = 64

function* someAtATime(range: string): Generator<string> {
  const alternatives = range.split('||')
  for (let at = 0; at < alternatives.length; at += ALTERNATIVES_AT_ONCE)
    yield alternatives.slice(at, at + ALTERNATIVES_AT_ONCE).join('||')
}

function readRange(text: string): semver.Range | undefined {
  try {
    return new semver.Range(text, MATCHING)
  } catch {
    return undefined
  }
}

/** As npm itself looks whether a version is affected. */
const MATCHING = { includePrerelease: true, loose: true }
