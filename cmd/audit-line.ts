import type { AuditRow } from '../src/kv-store.ts'

/** One line of the audit log for people: what is empty is left out, what has blanks in it is quoted. */
export function auditText(row: AuditRow): string {
  const { seq, at, cache, principal, action, resource, digest, address, userAgent, credential, result } = row
  const details = {
    cache: cache === 1 ? '' : String(cache),
    sha256: digest,
    from: address,
    credential,
    client: userAgent,
  }
  return [
    String(seq),
    timeText(at),
    result,
    ...[principal, action, resource].map(word),
    ...Object.entries(details).flatMap(([name, value]) => (value === '' ? [] : [`${name}=${word(value)}`])),
  ].join(' ')
}

/** The same for programs, whole. */
export function auditJson(row: AuditRow): string {
  return escaped(JSON.stringify(row))
}

/** Somebody may have put any number there. */
function timeText(at: number): string {
  const time = new Date(at)
  return Number.isNaN(time.getTime()) ? String(at) : time.toISOString()
}

const PLAIN = /^[^\s"\\\p{C}]+$/u

function word(text: string): string {
  return PLAIN.test(text) ? text : escaped(JSON.stringify(text))
}

/** What a terminal obeys or hides, and JSON leaves as it is: C1 controls, marks of direction, separators of lines. */
function escaped(json: string): string {
  return json.replaceAll(/[\p{C}\u2028\u2029]/gu, (text) =>
    text
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}
