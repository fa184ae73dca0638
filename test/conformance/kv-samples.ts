import type {
  AuditEntry,
  AuditRow,
  BlobRow,
  Commit,
  DocumentPut,
  KvRecord,
  KvStore,
  Reference,
} from '../../src/kv-store.ts'

/** A store over an empty database that a test owns, and what only its driver knows. */
export interface KvStoreWorld extends AsyncDisposable {
  readonly kv: KvStore
  /** Close the store and open it again. */
  reopen(): Promise<KvStore>
  /** A second store over the same database, closed with this one: another process's, as far as the database can tell. */
  another(): Promise<KvStore>
  /** Run a statement that both databases know, on a connection of its own. */
  execute(statement: string): Promise<void>
  /** The same with the triggers of the audit table out of the way, as whoever owns the database can have it. */
  tamper(statement: string): Promise<void>
}

/** Registers one test of the contract, over a store of its own. */
export type Contract = (name: string, body: (kv: KvStore, world: KvStoreWorld) => Promise<void>) => void

export const A = 'a'.repeat(64)
export const B = 'b'.repeat(64)
export const C = 'c'.repeat(64)

export function record(kind: string, key: string, value: string) {
  return { kind, key, value }
}

export function put(key: string, value: string, expected?: number): Commit {
  return { cache: 1, puts: [{ ...record('k', key, value), ...(expected === undefined ? {} : { expected }) }] }
}

export function remove(key: string, expected?: number): Commit {
  return { cache: 1, deletes: [{ kind: 'k', key, ...(expected === undefined ? {} : { expected }) }] }
}

export function blob(digest: string, some: Partial<BlobRow> = {}): BlobRow {
  const stored = {
    encoding: 'zstd',
    storedBytes: 5,
    storedSha256: B,
    layout: 'frames',
    frames: Uint8Array.of(5, 0, 0, 0),
  } as const
  return { domain: 'main', digest, sizeBytes: 9, ...stored, state: 'live', store: '', ...some }
}

export function document(some: Partial<DocumentPut>): DocumentPut {
  const name = { cache: 1, kind: 'k', key: 'a', variant: 'full', origin: '' }
  return { ...name, body: 'body', etag: '"e"', encoding: '', sourceVersion: 1, ...some }
}

export function auditEntry(resource: string, some: Partial<AuditEntry> = {}): AuditEntry {
  const what = { principal: 'token:t1', action: 'npm:write', resource, digest: A }
  return { ...what, address: '::1', userAgent: 'npm/11', credential: 't1', result: 'done', ...some }
}

/** The whole audit log, read in small pages. */
export function auditLog(kv: KvStore): Promise<AuditRow[]> {
  return pages<AuditRow>((after) => kv.audit(after?.seq ?? 0, 3))
}

/** Bytes as numbers: a driver may return a Buffer. */
export function plain(row: BlobRow | undefined): unknown {
  return row && { ...row, frames: [...row.frames] }
}

export function keysOf(records: readonly KvRecord[]): string[] {
  return records.map(({ key }) => key)
}

export function order({ cache, kind, key, domain, digest }: Reference): string {
  return [cache, kind, key, domain, digest].join('\0')
}

export async function pages<T>(page: (after: T | undefined) => Promise<readonly T[]> | readonly T[]): Promise<T[]> {
  const seen: T[] = []
  for (let rows = await page(undefined); rows.length > 0; rows = await page(seen.at(-1))) seen.push(...rows)
  return seen
}
