import { readFileSync } from 'node:fs'

/** The version of this program. The sources lie one folder below package.json, the compiled files two. */
export function depotVersion(): string {
  for (const place of ['../package.json', '../../package.json']) {
    try {
      const version = versionOf(JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')))
      if (version !== undefined) return version
    } catch {
      continue
    }
  }
  return 'unknown'
}

/** Every command begins here: loading zod for one field would be most of what `depot --version` does. */
function versionOf(manifest: unknown): string | undefined {
  if (typeof manifest !== 'object' || manifest === null || !('version' in manifest)) return undefined
  return typeof manifest.version === 'string' ? manifest.version : undefined
}

/** What this command line calls itself to a depot. */
export function clientName(): string {
  return `depot-cli/${depotVersion()}`
}
