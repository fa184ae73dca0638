import { openAuthFile } from '../auth/watch-auth-file.ts'
import { ECOSYSTEMS } from '../protocols/ecosystems.ts'
import { SILENT_EVENTS } from '../src/events.ts'
import { openLocalStore, openNpmAdvisories } from './boot.ts'
import type { ServeConfig } from './config.ts'
import { readForeignKeys, readNpmKeys } from './npm-signing-keys.ts'
import { readSigningKeys } from './signing-keys.ts'

/** Read what a server with this configuration would read at its start. @throws UsageError, DepotError for what it would refuse */
export async function checkConfig(config: ServeConfig): Promise<void> {
  // A key that would be made at the start is no mistake, and a check makes nothing.
  await readSigningKeys(config)
  await readNpmKeys(config.storePath)
  await readForeignKeys(config.npmKeyFiles)
  await using _advisories = await openNpmAdvisories(config, SILENT_EVENTS)
  if (config.authFile !== undefined) await checkAuthFile(config.authFile)
  await using _localStore = await openLocalStore(config)
}

/** @throws DepotError naming the lines of an auth file that are wrong */
async function checkAuthFile(file: string): Promise<void> {
  await using checked = await openAuthFile({
    file,
    ecosystems: ECOSYSTEMS,
    events: SILENT_EVENTS,
    warn: (message) => void process.stderr.write(`depot: ${message}\n`),
  })
  process.stdout.write(`${checked.current().keys.size} keys in ${file}\n`)
}
