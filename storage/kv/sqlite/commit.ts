import type { Database } from 'better-sqlite3'

import { auditHash } from '../../../src/audit-chain.ts'
import { DepotError } from '../../../src/errors.ts'
import { prefixEnd } from '../../../src/key-prefix.ts'
import type {
  AuditEntry,
  AuditRow,
  BlobPut,
  BlobRow,
  BlobState,
  Commit,
  DocumentPut,
  RecordDelete,
  RecordPut,
} from '../../../src/kv-store.ts'

/** One change as it travels to the writer thread. */
export type Write =
  | { readonly commit: Commit }
  | { readonly blobState: { readonly domain: string; readonly digest: string; readonly state: BlobState } }
  | { readonly blobMove: Pick<BlobRow, 'domain' | 'digest' | 'store' | 'storedSha256'> & { readonly to: string } }

/**
 * Returns the function that applies one write inside a transaction that is already open. It throws DepotError
 * `WRITE_CONFLICT` and then may have done half of it: the caller rolls back to where it began.
 */
export function writeApplier(database: Database): (write: Write) => void {
  const statements = prepareStatements(database)
  const { setBlobState, moveBlob } = statements
  return (write) => {
    if ('commit' in write) applyCommit(statements, write.commit)
    else if ('blobState' in write) setBlobState.run(write.blobState)
    else if (moveBlob.run(write.blobMove).changes === 0) throw conflict('blob', write.blobMove.digest)
  }
}

function applyCommit(statements: Statements, commit: Commit): void {
  const { cache, present, absent, blobs, puts, deletes, documents, audit } = commit
  for (const { kind, key } of present ?? [])
    if (statements.hasRecord.get({ cache, kind, key }) === undefined) throw conflict(kind, key)
  for (const row of blobs ?? []) (row.held === true ? statements.holdBlob : statements.putBlob).run(blobValues(row))
  for (const change of deletes ?? []) deleteRecord(statements, cache, change)
  for (const change of puts ?? []) putRecord(statements, cache, change)
  for (const { kind, prefix } of absent ?? [])
    if (statements.hasRecords.get({ cache, kind, from: prefix, to: prefixEnd(prefix) }) !== undefined)
      throw conflict(kind, prefix)
  for (const document of documents ?? []) statements.putDocument.run(documentValues(document))
  for (const entry of audit ?? []) addAudit(statements, cache, entry)
}

/** `seenIn`: null when no row was there, and `*`, which is no name, when nobody looked. */
function blobValues({ seenIn = '*', ...row }: BlobPut): object {
  return { ...row, frames: Buffer.from(row.frames), seenIn }
}

function documentValues(document: DocumentPut): object {
  const { body } = document
  return { ...document, body: typeof body === 'string' ? body : Buffer.from(body) }
}

function deleteRecord(
  { dropDocuments, dropRecord }: Statements,
  cache: number,
  { kind, key, expected }: RecordDelete,
): void {
  const { changes } = dropRecord.run({ cache, kind, key, expected: expected ?? null })
  if (expected !== undefined && changes === 0) throw conflict(kind, key)
  dropDocuments.run({ cache, kind, key })
}

function putRecord(statements: Statements, cache: number, { kind, key, value, expected, refs }: RecordPut): void {
  const statement =
    expected === undefined ? statements.putRecord : expected === 0 ? statements.newRecord : statements.nextRecord
  const { changes } = statement.run({ cache, kind, key, value, expected: expected ?? null })
  if (changes === 0) throw conflict(kind, key)
  statements.dropDocuments.run({ cache, kind, key })
  if (refs === undefined) return
  statements.dropReferences.run({ cache, kind, key })
  for (const digest of new Set(refs)) {
    const added = statements.addReference.run({ cache, kind, key, digest })
    if (added.changes === 0)
      throw new DepotError('WRITE_CONFLICT', `the blob ${digest} is not here, or is being removed: send it again`)
  }
}

/** The head is read every time: a write of the same transaction may have been taken back. */
function addAudit({ auditHead, addAuditRow }: Statements, cache: number, entry: AuditEntry): void {
  const head = auditHead.get()
  const row = { ...entry, seq: (head?.seq ?? 0) + 1, at: Date.now(), cache }
  addAuditRow.run({ ...row, hash: auditHash(head?.hash ?? '', row) })
}

function conflict(kind: string, key: string): DepotError {
  return new DepotError('WRITE_CONFLICT', `${kind} ${key} was changed by someone else: read it again and retry`)
}

const INSERT_BLOB = `
  INSERT INTO blob (domain, digest, size_bytes, encoding, stored_bytes, stored_sha256, layout, frames, store, state)
  VALUES (@domain, @digest, @sizeBytes, @encoding, @storedBytes, @storedSha256, @layout, @frames, @store, 'live')`
const NOW = "CAST(unixepoch('subsec') * 1000 AS INTEGER)"

type Statements = ReturnType<typeof prepareStatements>

/** Plain SQL: this thread does without drizzle and its memory. `@name` is bound by name. */
function prepareStatements(database: Database) {
  return {
    putBlob: database.prepare(`${INSERT_BLOB} ON CONFLICT (domain, digest) DO UPDATE SET
      size_bytes = excluded.size_bytes, encoding = excluded.encoding, stored_bytes = excluded.stored_bytes,
      stored_sha256 = excluded.stored_sha256, layout = excluded.layout, frames = excluded.frames,
      store = CASE WHEN blob.state = 'live' AND blob.stored_sha256 = excluded.stored_sha256
        AND (@seenIn IS NULL OR (@seenIn <> '*' AND blob.store <> @seenIn)) THEN blob.store ELSE excluded.store END,
      state = 'live', claimed_at = ${NOW}`),
    holdBlob: database.prepare(
      `${INSERT_BLOB} ON CONFLICT (domain, digest) DO UPDATE SET state = 'live', claimed_at = ${NOW}`,
    ),
    moveBlob: database.prepare(`
      UPDATE blob SET store = @to WHERE domain = @domain AND digest = @digest AND store = @store
        AND stored_sha256 = @storedSha256 AND state = 'live'`),
    hasRecord: database.prepare('SELECT 1 FROM record WHERE cache = @cache AND kind = @kind AND key = @key'),
    hasRecords: database.prepare(
      'SELECT 1 FROM record WHERE cache = @cache AND kind = @kind AND key >= @from AND key < @to LIMIT 1',
    ),
    setBlobState: database.prepare('UPDATE blob SET state = @state WHERE domain = @domain AND digest = @digest'),
    newRecord: database.prepare(`
      INSERT INTO record (cache, kind, key, value, version) VALUES (@cache, @kind, @key, @value, 1) ON CONFLICT DO NOTHING`),
    nextRecord: database.prepare(`
      UPDATE record SET value = @value, version = version + 1, updated_at = ${NOW}
      WHERE cache = @cache AND kind = @kind AND key = @key AND version = @expected`),
    putRecord: database.prepare(`
      INSERT INTO record (cache, kind, key, value, version) VALUES (@cache, @kind, @key, @value, 1)
      ON CONFLICT (cache, kind, key) DO UPDATE SET value = excluded.value, version = version + 1, updated_at = ${NOW}`),
    dropRecord: database.prepare(`
      DELETE FROM record WHERE cache = @cache AND kind = @kind AND key = @key AND (@expected IS NULL OR version = @expected)`),
    dropReferences: database.prepare('DELETE FROM reference WHERE cache = @cache AND kind = @kind AND key = @key'),
    addReference: database.prepare(`
      INSERT INTO reference (cache, kind, key, domain, digest)
      SELECT cache.id, @kind, @key, blob.domain, blob.digest FROM cache JOIN blob ON blob.domain = cache.domain
      WHERE cache.id = @cache AND blob.digest = @digest AND blob.state = 'live'`),
    dropDocuments: database.prepare('DELETE FROM document WHERE cache = @cache AND kind = @kind AND key = @key'),
    putDocument: database.prepare(`
      INSERT INTO document (cache, kind, key, variant, origin, body, etag, encoding)
      SELECT cache, kind, key, @variant, @origin, @body, @etag, @encoding FROM record
      WHERE cache = @cache AND kind = @kind AND key = @key AND version = @sourceVersion
      ON CONFLICT DO UPDATE SET body = excluded.body, etag = excluded.etag, encoding = excluded.encoding`),
    auditHead: database.prepare<[], Pick<AuditRow, 'seq' | 'hash'>>(
      'SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1',
    ),
    addAuditRow: database.prepare(`
      INSERT INTO audit (seq, at, cache, principal, action, resource, digest, address, user_agent, credential, result, hash)
      VALUES (@seq, @at, @cache, @principal, @action, @resource, @digest, @address, @userAgent, @credential, @result, @hash)`),
  }
}
