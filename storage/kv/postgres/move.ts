import { DepotError } from '../../../src/errors.ts'
import type { BlobRow } from '../../../src/kv-store.ts'
import type { Client, Transaction } from './connect.ts'

/** @throws DepotError `WRITE_CONFLICT` when the blob is not as it was read; the caller rolls back */
export async function moveBlob(
  transaction: Transaction,
  { domain, digest, store, storedSha256 }: Pick<BlobRow, 'domain' | 'digest' | 'store' | 'storedSha256'>,
  to: string,
): Promise<void> {
  const { count } = await transaction`UPDATE blob SET store = ${to} WHERE domain = ${domain} AND digest = ${digest}
    AND store = ${store} AND stored_sha256 = ${storedSha256} AND state = 'live'`
  if (count === 0)
    throw new DepotError('WRITE_CONFLICT', `the blob ${digest} was changed by someone else: read it again`)
}

/** Whether the transaction of this number has moved it. */
export async function isMoved(
  client: Client,
  { domain, digest }: Pick<BlobRow, 'domain' | 'digest'>,
  to: string,
  id: string,
): Promise<boolean> {
  const rows = await client`SELECT 1 FROM blob WHERE domain = ${domain} AND digest = ${digest} AND store = ${to}
    AND xmin = ${id}::text::xid8::xid`
  return rows.length > 0
}
