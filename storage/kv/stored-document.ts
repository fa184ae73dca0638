import type { DocumentKey, LargeBody, StoredDocument } from '../../src/kv-store.ts'

/** What a row says of a document; the body of a large one is not among it. */
export interface DocumentRow extends Omit<StoredDocument, 'body'> {
  readonly body: string | Uint8Array | null
  readonly sizeBytes: number
}

/** A row as a document; `read` gives the body of a large one, as long as it has the same entity tag. */
export function storedDocument(
  key: DocumentKey,
  { body, etag, encoding, sizeBytes }: DocumentRow,
  read: LargeBody['read'],
): StoredDocument {
  if (body !== null) return { body, etag, encoding }
  const name = JSON.stringify([key.cache, key.kind, key.key, key.variant, key.origin, etag, sizeBytes])
  return { body: { name, sizeBytes, read }, etag, encoding }
}
