import { readFileSync } from 'node:fs'

import { z } from 'zod'

/** The version of this program. The sources lie one folder below package.json, the compiled files two. */
export function depotVersion(): string {
  for (const place of ['../package.json', '../../package.json']) {
    try {
      return PACKAGE.parse(JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8'))).version
    } catch {
      continue
    }
  }
  return 'unknown'
}

const PACKAGE = z.object({ version: z.string() })

/** What this command line calls itself to a depot. */
export function clientName(): string {
  return `depot-cli/${depotVersion()}`
}
