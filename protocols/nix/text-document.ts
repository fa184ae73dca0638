import { createHash } from 'node:crypto'

import type { Document } from '../../src/kv-store.ts'

/** A text as it is served: not encoded, with the sha256 of its bytes as its entity tag. */
export function textDocument(body: string): Document {
  return { body, etag: `"${createHash('sha256').update(body).digest('hex')}"`, encoding: '' }
}
