import { z } from 'zod'

import { DepotError } from '../../src/errors.ts'
import { STORE_HASH_CLASS } from './store-path.ts'

const STORE_HASH = new RegExp(`^${STORE_HASH_CLASS}$`)
const FORM = 'the hash of a store path has 32 digits of base 32'

/** The hash part of a store path, in a body or a query. */
export const storeHash = z.string().regex(STORE_HASH, FORM)

/** The same as a segment of a URL. @throws DepotError `INVALID_NAME` */
export function parseStoreHash(segment: string): string {
  if (STORE_HASH.test(segment)) return segment
  throw new DepotError('INVALID_NAME', FORM)
}
