import { createRequire } from 'node:module'

import type * as Orm from 'drizzle-orm'

/** drizzle's CommonJS build: on Node 24 its ES modules take some 190 MB of memory, these take 16. */
export const orm = createRequire(import.meta.url)('drizzle-orm') as typeof Orm

/** Load one of drizzle's entry points in the same build; the two must not be mixed. */
export function loadDrizzle(entry: `drizzle-orm/${string}`): unknown {
  return createRequire(import.meta.url)(entry)
}
