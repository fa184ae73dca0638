import type { Depot } from '../depot.ts'
import type { BlobRow } from '../kv-store.ts'
import type { DepotRequest } from '../protocol.ts'
import { noneMatch } from './conditions.ts'
import type { HeaderList } from './header-list.ts'

/**
 * 302 to where a GET finds the stored bytes of a blob, or undefined where the depot answers itself: a HEAD, what the client has, and whoever
 * is not to be redirected. A range is one of the bytes there.
 *
 * @param answer the headers and the entity tag that the depot's own answer has
 * @throws DepotError `STORAGE_DOWN`
 */
export async function redirectResponse(
  depot: Pick<Depot, 'urlOf'>,
  { method, headers, address }: Pick<DepotRequest, 'method' | 'headers' | 'address'>,
  row: BlobRow,
  answer: { readonly headers: HeaderList; readonly etag: string },
): Promise<Response | undefined> {
  if (method !== 'GET' || noneMatch(headers.get('if-none-match'), answer.etag)) return undefined
  const reader = {
    address,
    host: headers.get('host') ?? undefined,
    hasCredentials: headers.has('authorization'),
  }
  const url = await depot.urlOf(row, reader, answer.headers)
  return url === undefined ? undefined : new Response(null, { status: 302, headers: { ...redirectHeaders(url) } })
}

/** The headers of such an answer. It is good for this client and this minute alone. */
export function redirectHeaders(url: string): Readonly<Record<string, string>> {
  return { Location: url, 'Cache-Control': 'no-store', 'Content-Length': '0' }
}
