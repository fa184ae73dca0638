import { existsSync } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'

import { LIMITS } from '../../src/limits.ts'
import { parseDatabaseUrl } from '../../storage/database-url.ts'
import type { SqliteState } from '../../storage/kv/inspect-sqlite.ts'
import type { ServeConfig } from '../config.ts'
import { fail, ok, warn, type Finding } from './finding.ts'
import { holdersOf, type Holder } from './processes.ts'
import { shellWord } from './shell-word.ts'
import { sizeText } from './sizes.ts'

/** Where the names are: whether it can be read and written, by whom else, and whether this version knows its form. */
export async function checkDatabase({ databaseUrl }: ServeConfig): Promise<readonly Finding[]> {
  const location = parseDatabaseUrl(databaseUrl)
  return location.driver === 'sqlite' ? checkSqlite(location.file) : checkPostgres(location.url)
}

async function checkPostgres(url: string): Promise<readonly Finding[]> {
  const { inspectPostgres } = await import('../../storage/kv/inspect-postgres.ts')
  const state = await inspectPostgres(url)
  const schema = schemaFindings(state)
  return schema.length > 0 ? schema : [ok(`PostgreSQL ${state.version} answers, and its tables are up to date`)]
}

async function checkSqlite(file: string): Promise<readonly Finding[]> {
  if (!existsSync(file)) return [ok(`${file} is not there yet: the first start makes it`)]
  const { canWriteSqlite, inspectSqlite } = await import('../../storage/kv/inspect-sqlite.ts')
  const waitMs = LIMITS.doctorLockMs
  const state = inspectSqlite({ file, readBytesMax: LIMITS.doctorDatabaseBytesMax, waitMs })
  const holders = await holdersOf(new Set([await realpath(file)]))
  const { mode } = await stat(file)
  const faults = [
    ...schemaFindings(state),
    ...pageFindings(file, state),
    ...(state.journal === 'wal' || state.journal === 'delete' ? [] : [oddJournal(file, state.journal)]),
    ...((mode & 0o077) === 0 ? [] : [readable(file, mode)]),
    ...serverFindings(holders),
    ...(canWriteSqlite(file, waitMs) ? [] : [locked(file, holders)]),
  ]
  return faults.length > 0 ? faults : [ok(summary(file, state, holders))]
}

function summary(file: string, { sizeBytes, faults, journal }: SqliteState, holders: readonly Holder[]): string {
  const pages = faults === undefined ? 'too large to be read through here' : 'whole'
  const open = holders.length === 0 ? '' : `; open in ${named(holders)}`
  return `${file} (${sizeText(sizeBytes)}, ${journal}) is up to date and ${pages}${open}`
}

/** What the tables have that this version lacks, and the other way. Pure. */
export function schemaFindings({ pending, unknown }: Pick<SqliteState, 'pending' | 'unknown'>): readonly Finding[] {
  if (unknown.length > 0)
    return [
      fail(
        `a newer depot has changed the tables (${unknown.join(', ')}): this one does not start on them`,
        'npm install -g @depot/depot@latest   (or bring back a backup of before)',
      ),
    ]
  if (pending.length === 0) return []
  return [
    warn(
      `the tables are of an older depot: the next start changes ${pending.join(', ')}`,
      'depot serve   (after a backup)',
    ),
  ]
}

function pageFindings(file: string, { faults }: SqliteState): readonly Finding[] {
  if (faults === undefined || faults.length === 0) return []
  const copy = shellWord(`${file}.recovered`)
  return [
    fail(
      `${file} is damaged: ${faults.join('; ')}`,
      `bring back a backup, or: sqlite3 ${shellWord(file)} .recover | sqlite3 ${copy}`,
    ),
  ]
}

function oddJournal(file: string, journal: string): Finding {
  return warn(`${file} has the journal mode ${journal}`, `sqlite3 ${shellWord(file)} 'PRAGMA journal_mode = wal'`)
}

function readable(file: string, mode: number): Finding {
  return warn(
    `others may read ${file} (mode ${(mode & 0o777).toString(8)}), and so all names`,
    `chmod 600 ${shellWord(file)}*`,
  )
}

/** Two servers on one file keep each other waiting; workers are one. Pure. */
export function serverFindings(holders: readonly Holder[]): readonly Finding[] {
  const serving = holders.filter(({ serves }) => serves)
  const servers = [...new Set(serving.map(({ server }) => server))]
  if (servers.length < 2) return []
  return [
    warn(
      `${servers.length} servers have this database open (${named(serving)}): they keep each other waiting`,
      `kill ${servers.slice(1).join(' ')}   (several on one machine: --workers; on several: --database-url postgres://…)`,
    ),
  ]
}

function locked(file: string, holders: readonly Holder[]): Finding {
  const who = holders.length === 0 ? 'a process of another user, or of another machine' : named(holders)
  return fail(
    `${file} is locked for writing: it is open in ${who}`,
    holders.length === 0
      ? `fuser -v ${shellWord(file)}`
      : `kill ${holders.map(({ pid }) => pid).join(' ')}   (if it hangs)`,
  )
}

function named(holders: readonly Holder[]): string {
  return holders.map(({ program, pid }) => `${program} (${pid})`).join(', ')
}
