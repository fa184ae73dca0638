import { existsSync } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'

import { LIMITS } from '../../src/limits.ts'
import { parseDatabaseUrl } from '../../storage/database-url.ts'
import type { SqliteState } from '../../storage/kv/sqlite/inspect.ts'
import { schemaRule, type ServeConfig } from '../settings/config.ts'
import type { Mode } from '../settings/serve.ts'
import { fail, ok, warn, type Finding } from './finding.ts'
import { holdersOf, type Holder } from './processes.ts'
import { shellWord } from './shell-word.ts'
import { sizeText } from './sizes.ts'

/** Where the names are: whether it can be read and written, by whom else, and whether this version knows its form. */
export async function checkDatabase({ databaseUrl, mode }: ServeConfig): Promise<readonly Finding[]> {
  const location = parseDatabaseUrl(databaseUrl)
  return location.driver === 'sqlite' ? checkSqlite(location.file, mode) : checkPostgres(location.url, mode)
}

async function checkPostgres(url: string, mode: Mode): Promise<readonly Finding[]> {
  const { inspectPostgres } = await import('../../storage/kv/postgres/inspect.ts')
  const state = await inspectPostgres(url)
  const { clockFault } = await import('../../storage/kv/postgres/clock.ts')
  const clock = clockFault(state.aheadMs)
  const faults = [
    ...schemaFindings(state, mode),
    ...(clock === undefined ? [] : [warn(clock, 'timedatectl set-ntp true   (here, and where PostgreSQL runs)')]),
  ]
  return faults.length > 0 ? faults : [ok(`PostgreSQL ${state.version} answers, and its tables are up to date`)]
}

async function checkSqlite(file: string, mode: Mode): Promise<readonly Finding[]> {
  if (!existsSync(file)) return [absent(file, mode)]
  const { canWriteSqlite, inspectSqlite } = await import('../../storage/kv/sqlite/inspect.ts')
  const waitMs = LIMITS.doctorLockMs
  const state = inspectSqlite({ file, readBytesMax: LIMITS.doctorDatabaseBytesMax, waitMs })
  const holders = await holdersOf(new Set([await realpath(file)]))
  const { mode: permissions } = await stat(file)
  const faults = [
    ...schemaFindings(state, mode),
    ...pageFindings(file, state),
    ...(state.journal === 'wal' || state.journal === 'delete' ? [] : [oddJournal(file, state.journal)]),
    ...((permissions & 0o077) === 0 ? [] : [readable(file, permissions)]),
    ...serverFindings(holders),
    ...(canWriteSqlite(file, waitMs) ? [] : [locked(file, holders)]),
  ]
  return faults.length > 0 ? faults : [ok(summary(file, state, holders))]
}

function absent(file: string, mode: Mode): Finding {
  if (schemaRule(mode) === 'migrate') return ok(`${file} is not there yet: the first start makes it`)
  return fail(`${file} is not there, and --mode ${mode} does not make it`, MIGRATE)
}

function summary(file: string, { sizeBytes, faults, journal }: SqliteState, holders: readonly Holder[]): string {
  const pages = faults === undefined ? 'too large to be read through here' : 'whole'
  const open = holders.length === 0 ? '' : `; open in ${named(holders)}`
  return `${file} (${sizeText(sizeBytes)}, ${journal}) is up to date and ${pages}${open}`
}

/** What the tables have that this version lacks, and the other way, and what a start in this mode makes of it. Pure. */
export function schemaFindings(
  { pending, unknown }: Pick<SqliteState, 'pending' | 'unknown'>,
  mode: Mode,
): readonly Finding[] {
  if (unknown.length > 0)
    return [
      fail(
        `a newer depot has changed the tables (${unknown.join(', ')}): this one does not start on them`,
        'npm install -g @depot/depot@latest   (or bring back a backup of before)',
      ),
    ]
  if (pending.length === 0) return []
  const names = pending.map(({ name }) => name).join(', ')
  if (schemaRule(mode) === 'demand')
    return [fail(`the tables are of an older depot (without ${names}): --mode ${mode} does not start on them`, MIGRATE)]
  return [warn(`the tables are of an older depot: the next start changes ${names}`, 'depot serve   (after a backup)')]
}

const MIGRATE = 'depot serve --mode db-migrations   (after a backup)'

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
