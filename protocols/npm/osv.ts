import { z } from 'zod'

import { cvssScore, severityOf, type Severity } from './cvss.ts'

/** What is known of one weakness in one package, in the words of npm's bulk answer. */
export interface OsvAdvisory {
  /** `GHSA-…`, `MAL-…`. */
  readonly osvId: string
  readonly name: string
  readonly title: string
  readonly severity: Severity
  /** A range as npm reads it. */
  readonly versions: string
  readonly cwe: readonly string[]
  readonly score: number
  readonly vector: string
}

const text = z.string().nullish()
const affectedSchema = z.looseObject({
  package: z.looseObject({ ecosystem: text, name: text }).nullish(),
  ranges: z
    .array(
      z.looseObject({
        type: text,
        events: z.array(z.looseObject({ introduced: text, fixed: text, last_affected: text })),
      }),
    )
    .nullish(),
  versions: z.array(z.string()).nullish(),
  severity: z.array(z.looseObject({ type: text, score: text })).nullish(),
})

export const osvSchema = z.looseObject({
  id: z.string().min(1),
  summary: text,
  withdrawn: text,
  severity: z.array(z.looseObject({ type: text, score: text })).nullish(),
  affected: z.array(affectedSchema).nullish(),
  database_specific: z.looseObject({ severity: z.unknown().optional(), cwe_ids: z.unknown().optional() }).nullish(),
})

export type OsvRecord = z.infer<typeof osvSchema>
type Affected = z.infer<typeof affectedSchema>

/** What an OSV record (schema 1.7) says of npm packages: nothing when it speaks of other ecosystems or was withdrawn. */
export function advisoriesOf(record: OsvRecord): readonly OsvAdvisory[] {
  if (record.withdrawn) return []
  return (record.affected ?? []).flatMap((affected) => {
    const name = affected.package?.name ?? ''
    if (affected.package?.ecosystem !== 'npm' || name === '') return []
    const vector = vectorOf(affected.severity) ?? vectorOf(record.severity) ?? ''
    const score = cvssScore(vector) ?? 0
    const isMalware = record.id.startsWith('MAL-')
    return {
      osvId: record.id,
      name,
      title: (record.summary ?? record.id).slice(0, TITLE_LENGTH_MAX),
      severity: ownSeverity(record) ?? (isMalware ? 'critical' : vector === '' ? 'moderate' : severityOf(score)),
      versions: rangeOf(affected),
      cwe: cweOf(record, isMalware),
      score,
      vector,
    }
  })
}

const TITLE_LENGTH_MAX = 200

/** CVSS 3 before any other: it is what npm's own answers have. */
function vectorOf(severities: OsvRecord['severity']): string | undefined {
  const list = severities ?? []
  return (list.find(({ type }) => type === 'CVSS_V3') ?? list[0])?.score ?? undefined
}

const SEVERITIES: ReadonlyMap<unknown, Severity> = new Map([
  ['LOW', 'low'],
  ['MODERATE', 'moderate'],
  ['MEDIUM', 'moderate'],
  ['HIGH', 'high'],
  ['CRITICAL', 'critical'],
])

function ownSeverity({ database_specific: own }: OsvRecord): Severity | undefined {
  return SEVERITIES.get(own?.severity)
}

/** Malware is CWE-506, embedded malicious code. */
function cweOf({ database_specific: own }: OsvRecord, isMalware: boolean): readonly string[] {
  const ids: readonly unknown[] = Array.isArray(own?.cwe_ids) ? own.cwe_ids : []
  const texts = ids.filter((id) => typeof id === 'string' && /^CWE-\d{1,6}$/.test(id)) as string[]
  return texts.length === 0 && isMalware ? ['CWE-506'] : texts
}

/** The affected versions as a range of npm's; what says nothing of versions means all of them. */
function rangeOf({ ranges, versions }: Affected): string {
  const parts = (ranges ?? []).flatMap(({ type, events }) => (type === 'GIT' ? [] : rangeParts(events)))
  const all = [...parts, ...(versions ?? [])]
  return all.length === 0 ? ALL : all.join(' || ')
}

const ALL = '>=0'

/** Each `introduced` opens a range that the next `fixed` or `last_affected` closes. */
function rangeParts(events: NonNullable<Affected['ranges']>[number]['events']): readonly string[] {
  const parts: string[] = []
  let from: string | undefined
  for (const { introduced, fixed, last_affected: last } of events) {
    if (introduced) from ??= introduced
    const end = fixed ? `<${fixed}` : last ? `<=${last}` : undefined
    if (end === undefined || from === undefined) continue
    parts.push(from === '0' ? end : `>=${from} ${end}`)
    from = undefined
  }
  if (from !== undefined) parts.push(`>=${from}`)
  return parts
}
