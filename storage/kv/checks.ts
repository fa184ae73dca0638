import { DepotError } from '../../src/errors.ts'
import type { AuditEntry, Commit, DocumentPut, ListOptions } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'

/**
 * Refuse a commit that one of the databases could not hold as it is, so that both behave alike.
 *
 * @throws DepotError `INVALID_NAME` for a key, `BAD_REQUEST` for a value, an audit line or a record that is named twice.
 */
export function checkCommit(commit: Commit): void {
  const { puts = [], deletes = [], present = [], absent = [], documents = [], audit = [] } = commit
  for (const { key } of [...puts, ...deletes, ...present, ...documents]) checkKey(key)
  for (const { prefix } of absent) checkKey(prefix)
  for (const { value } of puts) checkText(value)
  for (const document of documents) checkDocument(document)
  for (const entry of audit) checkAudit(entry)
  const names = new Set([...puts, ...deletes].map(({ kind, key }) => `${kind}\0${key}`))
  if (names.size < puts.length + deletes.length) throw new DepotError('BAD_REQUEST', 'one change names a record twice')
}

/** True for a key that a record can have: up to 1 KiB of valid UTF-8 without NUL, which PostgreSQL cannot store. */
export function isKey(key: string): boolean {
  return isText(key) && Buffer.byteLength(key) <= LIMITS.keyBytesMax
}

function checkKey(key: string): void {
  if (!isKey(key))
    throw new DepotError('INVALID_NAME', `a name is too long (over ${LIMITS.keyBytesMax} bytes) or not plain text`)
}

function checkDocument({ variant, origin, body }: DocumentPut): void {
  checkKey(variant)
  checkKey(origin)
  if (typeof body === 'string') checkText(body)
}

/** Every field is ended by a NUL where the line is hashed (audit-chain.ts), so none may contain one. */
function checkAudit(entry: AuditEntry): void {
  const { principal, action, resource, digest, address, userAgent, credential, result } = entry
  for (const field of [principal, action, resource, digest, address, userAgent, credential, result]) {
    checkText(field)
    if (Buffer.byteLength(field) > LIMITS.auditFieldBytesMax)
      throw new DepotError('BAD_REQUEST', `a field of an audit line has more than ${LIMITS.auditFieldBytesMax} bytes`)
  }
}

function checkText(text: string): void {
  if (!isText(text)) throw new DepotError('BAD_REQUEST', 'a value contains NUL or half a character')
}

function isText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

/** Where a page of a list begins, and how many records it may have. A place behind `after` never lies before `from`. */
export function pageStart({ from, after, limit }: ListOptions): {
  readonly start: string
  readonly inclusive: boolean
} {
  checkPageLimit(limit)
  if (after === undefined || Buffer.compare(Buffer.from(after), Buffer.from(from)) < 0)
    return { start: from, inclusive: true }
  return { start: after, inclusive: false }
}

/** @throws Error (a bug) when `limit` is not between 1 and `LIMITS.listPageMax`. */
export function checkPageLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMITS.listPageMax) throw new Error(`a page of ${limit} records`)
}

/** @throws Error (a bug) when there are more than `LIMITS.lookupKeysMax`. */
export function checkKeyCount(keys: readonly string[]): void {
  if (keys.length > LIMITS.lookupKeysMax) throw new Error(`a look-up of ${keys.length} keys`)
}
