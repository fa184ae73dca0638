import type { Document, DocumentKey, LargeBody, StoredDocument } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { createRecent } from '../../src/recent.ts'
import { shareOf } from '../../src/worker-share.ts'

/** What a row says of a document; its body is among it where it is neither large nor known by its entity tag. */
export interface DocumentRow extends Omit<StoredDocument, 'body'> {
  readonly body: string | Uint8Array | null
  readonly sizeBytes: number
}

/** A body that a row need not give while it has this entity tag; an empty tag, which no row has, where none is kept. */
export interface KnownBody {
  readonly etag: string
  readonly body: Document['body'] | null
}

/** Bodies of documents that were read lately. Each read looks at the row, which says whether the body that is kept is still its body. */
export interface KeptBodies {
  /** To be called before the row is read, which is asked for its body unless it has this tag. */
  of(key: DocumentKey): KnownBody
  /**
   * The document of a row that was read so.
   *
   * @param known what `of` gave before the row was read: by now another body may be kept
   * @param read gives the body of a large one, as long as it has the same entity tag
   */
  document(key: DocumentKey, row: DocumentRow, known: KnownBody, read: LargeBody['read']): StoredDocument
}

interface KeptBody extends KnownBody {
  readonly body: Document['body']
  readonly length: number
}

/** For one connection's reads; up to `LIMITS.recentDocumentsLengthMax` in all processes of a server together. */
export function keptBodies(): KeptBodies {
  const recent = createRecent<KeptBody>(shareOf(LIMITS.recentDocumentsLengthMax))
  return {
    of: (key) => recent.get(nameOf(key)) ?? NONE,
    document(key, { body, etag, encoding, sizeBytes }, known, read) {
      if (body !== null) {
        if (sizeBytes >= LIMITS.recentDocumentBytesMin) recent.put(nameOf(key), { etag, body, length: body.length })
        return { body, etag, encoding }
      }
      if (known.body !== null && known.etag === etag) return { body: known.body, etag, encoding }
      const name = JSON.stringify([key.cache, key.kind, key.key, key.variant, key.origin, etag, sizeBytes])
      return { body: { name, sizeBytes, read }, etag, encoding }
    },
  }
}

const NONE: KnownBody = { etag: '', body: null }

/** Another one for each key, whatever its parts hold. */
function nameOf({ cache, kind, key, variant, origin }: DocumentKey): string {
  return `${cache} ${kind.length} ${variant.length} ${origin.length} ${kind}${variant}${origin}${key}`
}
