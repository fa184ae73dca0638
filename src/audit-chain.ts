import { createHash } from 'node:crypto'

import type { AuditRow } from './kv-store.ts'

/** A place in the chain, as somebody wrote it down earlier: nobody who changes the log afterwards can keep it. */
export type ChainHead = Pick<AuditRow, 'seq' | 'hash'>

/** What became of a check. */
export interface ChainReport {
  /** Lines that are as they were written, in the place where they were written. */
  readonly verified: number
  /** Lines older than the chain: nothing can be said of them. */
  readonly before: number
  /** The last line of the chain; absent while it has none, or when it is broken. */
  readonly head?: ChainHead
  /** The first line at which the chain breaks, and why. */
  readonly broken?: { readonly seq: number; readonly reason: string }
}

/**
 * Hash that ties a line to the one before it: sha256 over the bytes of the `previous` hash (hex; empty at the beginning), and then
 * seq, at, cache, principal, action, resource, digest, address, userAgent, credential and result in UTF-8, each ended by a NUL
 * byte. Numbers are decimal. storage/kv/postgres/audit.ts computes the same in SQL.
 */
export function auditHash(previous: string, row: Omit<AuditRow, 'hash'>): string {
  const { seq, at, cache, principal, action, resource, digest, address, userAgent, credential, result } = row
  const fields = [seq, at, cache, principal, action, resource, digest, address, userAgent, credential, result]
  const text = fields.map((field) => `${field}\0`).join('')
  return createHash('sha256').update(previous, 'hex').update(text).digest('hex')
}

/**
 * Check the log from its first line on, oldest first, up to where it breaks. Whoever rewrites everything from some line on, or cuts
 * the end off, leaves a whole chain: that shows only against an `expected` place noted before.
 */
export async function verifyChain(
  rows: AsyncIterable<AuditRow> | Iterable<AuditRow>,
  expected?: ChainHead,
): Promise<ChainReport> {
  let [verified, before, lastSeq, met] = [0, 0, 0, expected === undefined]
  let head: ChainHead | undefined
  for await (const row of rows) {
    const older = head === undefined && row.hash === ''
    const reason = (older ? undefined : misfit(row, lastSeq, head?.hash ?? '')) ?? surprise(row, expected)
    if (reason !== undefined) return { verified, before, broken: { seq: older ? row.seq : lastSeq + 1, reason } }
    if (older) before++
    else {
      verified++
      head = { seq: row.seq, hash: row.hash }
    }
    met ||= row.seq === expected?.seq
    lastSeq = row.seq
  }
  if (expected !== undefined && !met)
    return { verified, before, broken: { seq: expected.seq, reason: `it is missing: the last line is ${lastSeq}` } }
  return { verified, before, ...(head && { head }) }
}

/** Why a line cannot stand behind the one before it. */
function misfit(row: AuditRow, lastSeq: number, previous: string): string | undefined {
  if (row.seq !== lastSeq + 1) return `it is missing: after ${lastSeq} comes ${row.seq}`
  if (row.hash !== auditHash(previous, row)) return 'it was changed, or what stood before it was: its hash does not fit'
  return undefined
}

/** Why a line is not the one that was noted. */
function surprise({ seq, hash }: AuditRow, expected: ChainHead | undefined): string | undefined {
  if (seq !== expected?.seq || hash === expected.hash) return undefined
  return 'it is another line than the one that was noted: the log was written anew'
}
