import { existsSync } from 'node:fs'
import path from 'node:path'

import { openAuthFile } from '../../auth/watch-auth-file.ts'
import { ECOSYSTEMS } from '../../protocols/ecosystems.ts'
import { SILENT_EVENTS } from '../../src/events.ts'
import { LIMITS } from '../../src/limits.ts'
import { parseDatabaseUrl, type DatabaseLocation } from '../../storage/database-url.ts'
import { refuseNewer, type MigrationState } from '../../storage/kv/migrate.ts'
import { openStorage } from '../../storage/open.ts'
import { openLocalStore, openNpmAdvisories } from './open-sources.ts'
import type { ServeConfig } from '../settings/config.ts'
import { readForeignKeys, readNpmKeys } from '../signing/npm-keys.ts'
import { readSigningKeys } from '../signing/nix-keys.ts'

/** Read what a server with this configuration would read at its start. @throws UsageError, DepotError for what it would refuse */
export async function checkConfig(config: ServeConfig): Promise<void> {
  // A key that would be made at the start is no mistake, and a check makes nothing.
  await readSigningKeys(config)
  await readNpmKeys(config)
  await readForeignKeys(config.npmKeyFiles)
  await using _advisories = await openNpmAdvisories(config, SILENT_EVENTS)
  if (config.authFile !== undefined) await checkAuthFile(config.authFile)
  await using _localStore = await openLocalStore(config)
}

/**
 * Open what a server with this configuration would open, without changing it, and tell what its start would do.
 *
 * @throws DepotError for what cannot be reached, and for a database of a newer depot
 */
export async function checkStorage(config: ServeConfig): Promise<readonly string[]> {
  const { line, isCurrent } = await checkDatabase(config)
  // Which stores blobs lie in is asked of the database.
  if (!isCurrent) return [line]
  if (config.storageType === 'fs' && config.stores === undefined && !existsSync(path.join(config.storePath, 'blobs')))
    return [line, `store: ${config.storePath} has no blobs yet: the first start makes their folder`]
  await using storage = await openStorage({ ...config, existing: true })
  const lines = [line]
  for (const { name, blobs: store } of storage.blobs.all) {
    await store.ping?.()
    lines.push(`store${name === '' ? '' : ` ${name}`}: answers`)
  }
  return lines
}

async function checkDatabase({
  databaseUrl,
}: ServeConfig): Promise<{ readonly line: string; readonly isCurrent: boolean }> {
  const location = parseDatabaseUrl(databaseUrl)
  if (location.driver === 'sqlite' && !existsSync(location.file)) {
    const line = `database: ${location.file} is not there: a start with --mode monolithic or db-migrations makes it`
    return { line, isCurrent: false }
  }
  const state = await schemaOf(location)
  refuseNewer(state)
  const names = state.pending.map(({ name }) => name).join(', ')
  if (names === '') return { line: 'database: answers, and is up to date', isCurrent: true }
  const line = `database: answers, and lacks ${names}: a start with --mode monolithic or db-migrations changes that`
  return { line, isCurrent: false }
}

async function schemaOf(location: DatabaseLocation): Promise<MigrationState> {
  if (location.driver === 'postgres') {
    const { inspectPostgres } = await import('../../storage/kv/postgres/inspect.ts')
    return inspectPostgres(location.url)
  }
  const { inspectSqlite } = await import('../../storage/kv/sqlite/inspect.ts')
  return inspectSqlite({ file: location.file, readBytesMax: 0, waitMs: LIMITS.databaseBusyTimeoutMs })
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
