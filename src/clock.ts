import type { Depot } from './depot.ts'

/** The time that credentials end by, in milliseconds since 1970: that of the database, where several machines share one. */
export function clockOf({ kv }: Pick<Depot, 'kv'>): () => number {
  return () => kv.now?.() ?? Date.now()
}

/**
 * The `Date` (RFC 9110 §6.6.1) that clients judge their own clock by, for answers about credentials and health. Empty where this machine's
 * own time counts, which every answer tells anyway.
 */
export function dateHeader({ kv }: Pick<Depot, 'kv'>): Readonly<Record<string, string>> {
  const nowMs = kv.now?.()
  return nowMs === undefined ? {} : { Date: new Date(nowMs).toUTCString() }
}
