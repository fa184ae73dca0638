/** Names and values in turn, as `node:http` takes them raw: `['Content-Type', 'text/plain']`. Made once, not per request. */
export type HeaderList = readonly string[]

/** The value of the header that is written just so. */
export function headerValue(headers: HeaderList, name: string): string | undefined {
  const at = headers.findIndex((text, index) => index % 2 === 0 && text === name)
  return at === -1 ? undefined : headers[at + 1]
}

/** The same as name and value each. */
export function headerPairs(headers: HeaderList): [string, string][] {
  const list: [string, string][] = []
  for (let index = 0; index + 1 < headers.length; index += 2)
    list.push([headers[index] ?? '', headers[index + 1] ?? ''])
  return list
}

/** Headers of a 304. Content-Type stays away: pip merges it into its cached page and then refuses the page. */
export const KEPT_ON_304 = ['etag', 'vary', 'cache-control']

/** From the headers of the full answer, those that a 304 carries. */
export function notModifiedHeaders(headers: HeaderList): string[] {
  const kept: string[] = []
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? ''
    if (KEPT_ON_304.includes(name.toLowerCase())) kept.push(name, headers[index + 1] ?? '')
  }
  return kept
}

/**
 * The value of Cache-Control for an answer that is not for everybody. Caches that several share should keep none that was asked for
 * with credentials (RFC 9111 §3.5), but nginx does.
 */
export function privately(cacheControl: string | null): string {
  if (cacheControl === null) return 'private'
  return cacheControl.includes('no-store') ? cacheControl : `${cacheControl}, private`
}
