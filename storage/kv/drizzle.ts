import { createRequire } from 'node:module'

import type * as Orm from 'drizzle-orm'

const require = createRequire(import.meta.url)

/** drizzle's CommonJS build: on Node 24 its ES modules take some 190 MB of memory, these take 16. */
export const orm = require('drizzle-orm') as typeof Orm

/** Load one of drizzle's entry points in the same build; the two must not be mixed. */
export function loadDrizzle(entry: `drizzle-orm/${string}`): unknown {
  return require(entry)
}
