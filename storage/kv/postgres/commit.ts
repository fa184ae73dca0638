import { DepotError } from '../../../src/errors.ts'
import { prefixEnd } from '../../../src/key-prefix.ts'
import type { BlobPut, Commit, DocumentPut, RecordDelete, RecordPut } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { auditChanges } from './audit.ts'
import type { Client, Run, Transaction } from './connect.ts'

/** A commit whose last statements are on their way. */
export interface Applied {
  /**
   * Settled when they are answered. They are not waited for before COMMIT, which goes out right behind them: the lock on the audit
   * log is then held for no trip to us and back. When one of them fails, COMMIT rolls back without a word, and only this rejects.
   */
  readonly audited: Promise<unknown>
}

/**
 * Apply one commit inside a transaction. The statements go out together and are answered in order. Rows are locked in one
 * order (blobs, records, documents, each by key; last of all the audit log), so that two commits seldom wait for each other in a
 * circle.
 *
 * @throws DepotError `WRITE_CONFLICT`; the caller rolls back.
 */
export async function applyCommit(transaction: Transaction, commit: Commit): Promise<Applied> {
  const run: Run = async (text, values, missing) => {
    const { count } = await transaction.unsafe(text, values as never[], { prepare: true })
    if (missing !== undefined && count < missing.expected) throw new DepotError('WRITE_CONFLICT', missing.message)
  }
  await Promise.all([
    ...blobChanges(run, commit),
    ...holdRecords(run, commit),
    ...recordChanges(run, commit),
    ...absenceChecks(run, commit),
    ...documentChanges(run, commit),
  ])
  const audited = Promise.all(auditChanges(run, commit))
  // Whoever commits hears of it afterwards.
  audited.catch(() => {})
  return { audited }
}

function byOrder<T>(items: readonly T[], parts: (item: T) => readonly string[]): readonly T[] {
  const keyed = items.map((item) => ({ item, order: parts(item).join('\0') }))
  return keyed.sort((a, b) => (a.order < b.order ? -1 : 1)).map(({ item }) => item)
}

/** Puts blobs and holds those that are referred to, all in the order of their digests. */
function blobChanges(run: Run, { cache, blobs = [], puts = [] }: Commit): Promise<void>[] {
  const put = new Set(blobs.map(({ digest }) => digest))
  const referred = new Set(puts.flatMap(({ refs = [] }) => refs))
  const steps: (BlobPut | string)[] = [...blobs, ...[...referred].filter((digest) => !put.has(digest))]
  const runs: (BlobPut | string[])[] = []
  for (const step of byOrder(steps, (one) => (typeof one === 'string' ? [one] : [one.digest, one.domain]))) {
    const last = runs.at(-1)
    if (typeof step !== 'string') runs.push(step)
    else if (Array.isArray(last)) last.push(step)
    else runs.push([step])
  }
  return runs.map((step) => (Array.isArray(step) ? holdBlobs(run, cache, step) : putBlob(run, step)))
}

function putBlob(run: Run, row: BlobPut): Promise<void> {
  const { held = false, seenIn = '*' } = row
  return run(
    `INSERT INTO blob (domain, digest, size_bytes, encoding, stored_bytes, stored_sha256, layout, frames, store, state)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'live') ON CONFLICT (domain, digest) DO UPDATE SET
       ${held ? '' : REPLACE_BLOB} state = 'live', claimed_at = now()`,
    [
      row.domain,
      row.digest,
      row.sizeBytes,
      row.encoding,
      row.storedBytes,
      row.storedSha256,
      row.layout,
      row.frames,
      row.store,
      ...(held ? [] : [seenIn]),
    ],
  )
}

/** $10: the store of the row that was there before, null when there was none, and `*`, which is no name, when nobody looked. */
const REPLACE_BLOB = `size_bytes = excluded.size_bytes, encoding = excluded.encoding, stored_bytes = excluded.stored_bytes,
  stored_sha256 = excluded.stored_sha256, layout = excluded.layout, frames = excluded.frames,
  store = CASE WHEN blob.state = 'live' AND blob.stored_sha256 = excluded.stored_sha256
    AND ($10::text IS NULL OR ($10 <> '*' AND blob.store <> $10)) THEN blob.store ELSE excluded.store END,`

const BLOB_MISSING = 'a blob that is referred to is not here, or is being removed: send it again'

/** Share-locks live blobs, so that no collector takes one out of service before this transaction ends. */
function holdBlobs(run: Run, cache: number, digests: readonly string[]): Promise<void> {
  return run(
    `SELECT 1 FROM blob JOIN cache ON cache.domain = blob.domain
     WHERE cache.id = $1 AND blob.digest = ANY (string_to_array($2, ',')) AND blob.state = 'live'
     ORDER BY blob.digest FOR SHARE OF blob`,
    [cache, digests.join(',')],
    { expected: digests.length, message: BLOB_MISSING },
  )
}

/** Locks them against deletion, and against nothing else: any number of commits may depend on one record. */
function holdRecords(run: Run, { cache, present = [] }: Commit): Promise<void>[] {
  const byKind = Map.groupBy(present, ({ kind }) => kind)
  return [...byKind.keys()].sort().map((kind) => {
    const keys = new Set(byKind.get(kind)?.map(({ key }) => key))
    return run(
      `SELECT 1 FROM record WHERE cache = $1 AND kind = $2 AND key IN (SELECT jsonb_array_elements_text($3::text::jsonb))
       ORDER BY key FOR KEY SHARE`,
      [cache, kind, JSON.stringify([...keys])],
      {
        expected: keys.size,
        message: `a ${kind} that this needs is not here, or is being deleted: read again and retry`,
      },
    )
  })
}

/**
 * After the records, and each with a view of its own: whoever held one of them while putting what must be absent has committed by the
 * time it could be deleted, and is seen.
 */
function absenceChecks(run: Run, { cache, absent = [] }: Commit): Promise<void>[] {
  return absent.map(({ kind, prefix }) =>
    run(
      `SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM record WHERE cache = $1 AND kind = $2 AND key >= $3 AND key < $4)`,
      [cache, kind, prefix, prefixEnd(prefix)],
      conflict(kind, prefix),
    ),
  )
}

function recordChanges(run: Run, { cache, puts = [], deletes = [] }: Commit): Promise<void>[] {
  return byOrder<RecordPut | RecordDelete>([...puts, ...deletes], ({ kind, key }) => [kind, key]).flatMap((change) => [
    'value' in change ? putRecord(run, cache, change) : deleteRecord(run, cache, change),
    run('DELETE FROM document WHERE cache = $1 AND kind = $2 AND key = $3', [cache, change.kind, change.key]),
    ...('value' in change && change.refs !== undefined ? replaceReferences(run, cache, change, change.refs) : []),
  ])
}

function deleteRecord(run: Run, cache: number, { kind, key, expected }: RecordDelete): Promise<void> {
  return run(
    'DELETE FROM record WHERE cache = $1 AND kind = $2 AND key = $3 AND ($4::integer IS NULL OR version = $4)',
    [cache, kind, key, expected ?? null],
    expected === undefined ? undefined : conflict(kind, key),
  )
}

function putRecord(run: Run, cache: number, { kind, key, value, expected }: RecordPut): Promise<void> {
  const values = [cache, kind, key, value]
  if (expected === undefined) return run(`${INSERT_RECORD} ${OR_REPLACE}`, values)
  if (expected === 0) return run(`${INSERT_RECORD} ON CONFLICT DO NOTHING`, values, conflict(kind, key))
  return run(NEXT_RECORD, [...values, expected], conflict(kind, key))
}

const INSERT_RECORD = 'INSERT INTO record (cache, kind, key, value, version) VALUES ($1, $2, $3, $4, 1)'
const OR_REPLACE = `ON CONFLICT (cache, kind, key)
  DO UPDATE SET value = excluded.value, version = record.version + 1, updated_at = now()`
const NEXT_RECORD = `UPDATE record SET value = $4, version = version + 1, updated_at = now()
  WHERE cache = $1 AND kind = $2 AND key = $3 AND version = $5`

function conflict(kind: string, key: string): { expected: number; message: string } {
  return { expected: 1, message: `${kind} ${key} was changed by someone else: read it again and retry` }
}

function replaceReferences(
  run: Run,
  cache: number,
  { kind, key }: RecordPut,
  refs: readonly string[],
): Promise<void>[] {
  const name = [cache, kind, key]
  const digests = [...new Set(refs)]
  return [
    run('DELETE FROM reference WHERE cache = $1 AND kind = $2 AND key = $3', name),
    run(
      `INSERT INTO reference (cache, kind, key, domain, digest)
       SELECT cache.id, $2, $3, blob.domain, blob.digest FROM cache JOIN blob ON blob.domain = cache.domain
       WHERE cache.id = $1 AND blob.digest = ANY (string_to_array($4, ',')) AND blob.state = 'live'`,
      [...name, digests.join(',')],
      { expected: digests.length, message: BLOB_MISSING },
    ),
  ]
}

function documentChanges(run: Run, { documents = [] }: Commit): Promise<void>[] {
  const sorted = byOrder(documents, ({ kind, key, variant, origin }) => [kind, key, variant, origin])
  return sorted.map((document) => putDocument(run, document))
}

/** The share lock makes a writer of the record wait, and then drop what was rendered from the version before its own. */
function putDocument(run: Run, document: DocumentPut): Promise<void> {
  const { cache, kind, key, variant, origin, body, etag, encoding, sourceVersion } = document
  const [text, bytes] = typeof body === 'string' ? [body, null] : [null, body]
  return run(
    `INSERT INTO document (cache, kind, key, variant, origin, body_text, body_bytes, etag, encoding)
     SELECT cache, kind, key, $4, $5, $6, $7, $8, $9 FROM record
     WHERE cache = $1 AND kind = $2 AND key = $3 AND version = $10 FOR SHARE
     ON CONFLICT (cache, kind, key, variant, origin) DO UPDATE SET body_text = excluded.body_text,
       body_bytes = excluded.body_bytes, etag = excluded.etag, encoding = excluded.encoding`,
    [cache, kind, key, variant, origin, text, bytes, etag, encoding, sourceVersion],
  )
}

/**
 * Whether the transaction of this number has made this change: an audit line, which nobody changes, or else a record, is there as the change
 * has it and under the number. A change of neither may be made twice.
 */
export async function isApplied(
  client: Client,
  { cache, audit = [], puts = [] }: Commit,
  id: string,
): Promise<boolean> {
  const [line] = audit
  const [put] = puts
  if (line !== undefined) {
    const rows = await client`SELECT 1 FROM audit WHERE xmin = ${id}::text::xid8::xid AND cache = ${cache}
      AND action = ${line.action} AND resource = ${line.resource} AND principal = ${line.principal} AND digest = ${line.digest}
      AND seq > (SELECT max(seq) FROM audit) - ${LIMITS.commitsWaitingMax}`
    return rows.length > 0
  }
  if (put === undefined) return false
  const rows = await client`SELECT 1 FROM record WHERE cache = ${cache} AND kind = ${put.kind} AND key = ${put.key}
    AND xmin = ${id}::text::xid8::xid AND value = ${put.value}`
  return rows.length > 0
}
