import { blobLocation } from './blobs/blob-location.ts'
import type { BlobUrlOptions } from './blobs/blob-store.ts'
import type { BlobStores } from './blobs/blob-stores.ts'
import { headerValue, privately, type HeaderList } from './http/header-list.ts'
import type { BlobRow } from './kv-store.ts'
import { LIMITS } from './limits.ts'

/** Which readers fetch bytes from the store itself. */
export interface RedirectRules {
  /** What is smaller the depot sends: going to a second server takes longer than that. */
  readonly sizeBytesMin: number
  /** Whether a client at this address reaches the store. */
  readonly reaches: (address: string) => boolean
}

/** Who reads, as far as it matters here. */
export interface Reader {
  readonly address: string
  /** The Host header. */
  readonly host: string | undefined
  /** Whether the request has an Authorization header. */
  readonly hasCredentials: boolean
}

/**
 * The URL at which a reader is to fetch the stored bytes of a blob, from the store that its row names, or undefined where the depot sends
 * them. It is good for whoever has it, for `LIMITS.redirectSeconds`: the caller has been authorised, and nobody keeps or logs it.
 *
 * @param headers of the depot's own answer: what they say of the bytes, the store will say
 * @throws DepotError `STORAGE_DOWN` when the store cannot make one
 */
export type UrlOf = (row: BlobRow, reader: Reader, headers: HeaderList) => Promise<string | undefined> | undefined

/** Redirects by rules, or none without. */
export function createRedirects(blobs: Pick<BlobStores, 'of'>, rules: RedirectRules | undefined): UrlOf {
  if (rules === undefined) return () => undefined
  return (row, reader, headers) => {
    if (row.storedBytes < rules.sizeBytesMin || !rules.reaches(reader.address)) return undefined
    const location = blobLocation(row.domain, row.digest)
    const url = blobs.of(row).url?.(location, { expiresSeconds: LIMITS.redirectSeconds, headers: told(headers) })
    return url?.then((signed) => (takesCredentialsAlong(reader, signed) ? undefined : signed))
  }
}

/**
 * npm, yarn, and curl with a netrc leave credentials behind only where the host has another name, whatever its port. S3 refuses what is
 * both signed and has credentials, and they are none of its business.
 */
function takesCredentialsAlong({ host, hasCredentials }: Reader, url: string): boolean {
  return hasCredentials && URL.parse(`http://${host ?? ''}`)?.hostname === new URL(url).hostname
}

/** Whoever has the URL is let in, so that no cache that several share may keep what it gives. */
function told(headers: HeaderList): NonNullable<BlobUrlOptions['headers']> {
  const [contentType, contentDisposition] = [
    headerValue(headers, 'Content-Type'),
    headerValue(headers, 'Content-Disposition'),
  ]
  return {
    cacheControl: privately(headerValue(headers, 'Cache-Control') ?? null),
    ...(contentType === undefined ? {} : { contentType }),
    ...(contentDisposition === undefined ? {} : { contentDisposition }),
  }
}
