import type { BlobLocation } from '../../src/blobs/blob-store.ts'
import { DepotError } from '../../src/errors.ts'

/** Allow-list: a domain of lower-case letters, digits and dashes, and a digest below the two directories of its own digits. */
const LOCATION = /^(?!tmp\/)[a-z0-9][a-z0-9-]{0,62}\/sha256\/([0-9a-f]{2})\/([0-9a-f]{2})\/\1\2[0-9a-f]{60}$/

/** True when `text` has the form of a location; only then may it become a path or a key. */
export function isLocation(text: string): text is BlobLocation {
  return LOCATION.test(text)
}

/**
 * The location as it came, checked.
 *
 * @throws DepotError `INVALID_NAME` when it is not `<domain>/sha256/ab/cd/<hex>`. `tmp` is no domain: staged files lie there.
 */
export function checkLocation(location: string): BlobLocation {
  if (!isLocation(location)) throw new DepotError('INVALID_NAME', 'not a place where a blob can lie')
  return location
}
