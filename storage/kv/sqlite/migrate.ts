import type { Database } from 'better-sqlite3'

import { demandCurrent, pendingMigrations, readMigrations } from '../migrate.ts'

/** Names of the changes that a SQLite database has. */
export function appliedToSqlite(database: Database): readonly string[] {
  const table = database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migration'").get()
  return table === undefined ? [] : database.prepare<[], string>('SELECT name FROM migration').pluck().all()
}

/** @throws DepotError `STORAGE_DOWN` when the database is not as this version has it */
export function demandSqlite(database: Database, migrations = readMigrations('sqlite')): void {
  demandCurrent(migrations, appliedToSqlite(database))
}

/** Bring a SQLite database up to date; look and change under one write lock, so that two processes may start at once. */
export function migrateSqlite(database: Database, migrations = readMigrations('sqlite')): void {
  database
    .transaction(() => {
      database.exec('CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT')
      const applied = database.prepare<[], string>('SELECT name FROM migration').pluck().all()
      const note = database.prepare<[string]>('INSERT INTO migration VALUES (?, unixepoch())')
      for (const { name, sql } of pendingMigrations(migrations, applied)) {
        database.exec(sql)
        note.run(name)
      }
    })
    .immediate()
}
