import type { AuditEntry, Commit } from '../../../src/kv-store.ts'
import type { Run } from './connect.ts'

/** Any constant will do, as long as no other program on this database takes it. */
const AUDIT_LOCK = 0x61756474

/**
 * The audit lines of a commit, each tied to the one before it (src/audit-chain.ts). From the lock on until the transaction ends no
 * other one of any process adds lines: these come last. The lock is a statement of its own, because a statement sees what was
 * there when it began.
 */
export function auditChanges(run: Run, { cache, audit = [] }: Commit): Promise<void>[] {
  if (audit.length === 0) return []
  return [run(`SELECT pg_advisory_xact_lock(${AUDIT_LOCK})`, []), ...audit.map((entry) => addAudit(run, cache, entry))]
}

function addAudit(run: Run, cache: number, entry: AuditEntry): Promise<void> {
  const { principal, action, resource, digest, address, userAgent, credential, result } = entry
  return run(ADD_AUDIT, [cache, principal, action, resource, digest, address, userAgent, credential, result])
}

/** Computed here and not by us: the hash before it is known only behind the lock, and reading it would be one more round trip. */
const ADD_AUDIT = `
  WITH head AS MATERIALIZED (
    SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1
  ), line AS MATERIALIZED (
    SELECT coalesce((SELECT seq FROM head), 0) + 1 AS seq,
      coalesce((SELECT hash FROM head), '') AS previous,
      floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS at
  ), content AS (
    SELECT string_agg(convert_to(field, 'UTF8') || '\\x00'::bytea, ''::bytea ORDER BY place) AS bytes
    FROM line, unnest(ARRAY[seq::text, at::text, $1::integer::text, $2, $3, $4, $5, $6, $7, $8, $9])
      WITH ORDINALITY AS fields (field, place)
  )
  INSERT INTO audit
    (seq, at, cache, principal, action, resource, digest, address, user_agent, credential, result, hash)
  SELECT seq, at, $1, $2, $3, $4, $5, $6, $7, $8, $9, encode(sha256(decode(previous, 'hex') || bytes), 'hex')
  FROM line, content`
