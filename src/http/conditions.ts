/** True when an If-None-Match header names this entity tag or `*`; weak and strong forms compare alike (RFC 9110 §13.1.2). */
export function noneMatch(header: string | null | undefined, etag: string): boolean {
  if (header === null || header === undefined) return false
  if (header === etag) return true
  return header.split(',').some((item) => {
    const tag = item.trim()
    return tag === '*' || tag === etag || (tag.startsWith('W/') && tag.slice(2) === etag)
  })
}

const BYTE_RANGE = /^bytes=(?<first>\d{1,15})?-(?<last>\d{1,15})?$/

/**
 * The part of a body of `sizeBytes` that a Range header asks for (RFC 9110 §14): a range, `unsatisfiable`, or undefined for
 * the whole: no header, an unknown unit, malformed, or several ranges, which a server may ignore.
 */
export function parseRange(
  header: string | null,
  sizeBytes: number,
): { readonly start: number; readonly end: number } | 'unsatisfiable' | undefined {
  const groups = header === null ? undefined : BYTE_RANGE.exec(header.trim())?.groups
  if (groups === undefined) return undefined
  const { first, last } = groups
  if (first === undefined) {
    if (last === undefined) return undefined
    const length = Number(last)
    return length === 0 || sizeBytes === 0
      ? 'unsatisfiable'
      : { start: Math.max(sizeBytes - length, 0), end: sizeBytes }
  }
  const start = Number(first)
  if (last !== undefined && Number(last) < start) return undefined
  if (start >= sizeBytes) return 'unsatisfiable'
  return { start, end: last === undefined ? sizeBytes : Math.min(Number(last) + 1, sizeBytes) }
}
