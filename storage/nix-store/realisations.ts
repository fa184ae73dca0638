import type Database from 'better-sqlite3'

import type { LocalRealisation, LocalStore } from '../../src/local-store.ts'

interface Row extends Omit<LocalRealisation, 'dependents'> {
  /** JSON. */
  readonly dependents: string
}

/**
 * The tables that Nix makes once content-addressed derivations are switched on, and what they are asked. One statement each, so that an
 * answer is of one moment.
 */
const TABLES = {
  // Nix up to 2.34 (nix: libstore/ca-specific-schema.sql).
  Realisations: `SELECT path AS outPath, signatures, (
      SELECT json_group_object(other.drvPath || '!' || other.outputName, built.path) FROM RealisationsRefs
        JOIN Realisations AS other ON other.id = RealisationsRefs.realisationReference
        JOIN ValidPaths AS built ON built.id = other.outputPath
        WHERE RealisationsRefs.referrer = Realisations.id
    ) AS dependents FROM Realisations JOIN ValidPaths ON ValidPaths.id = Realisations.outputPath
    WHERE drvPath = ? AND outputName = ? LIMIT 1`,
  // Since 2.35: by the base name of the derivation; the path stands there as text.
  BuildTraceV3: `SELECT path AS outPath, signatures, '{}' AS dependents FROM BuildTraceV3
    JOIN ValidPaths ON ValidPaths.path = BuildTraceV3.outputPath WHERE drvPath = ? AND outputName = ? LIMIT 1`,
} as const
type Table = keyof typeof TABLES

type Query = Database.Statement<[derivation: string, output: string], Row>

/** Ask a Nix database for realisations. It may lack the table for them, now or for ever. */
export function realisations(database: Database.Database): LocalStore['realisation'] {
  const known = new Map<Table, Query>()

  function query(table: Table): Query | undefined {
    const found = known.get(table)
    if (found !== undefined) return found
    if (!hasTable(database, table)) return undefined
    const prepared: Query = database.prepare(TABLES[table])
    known.set(table, prepared)
    return prepared
  }
  return (derivation, output) => {
    const row = query(derivation.startsWith('sha256:') ? 'Realisations' : 'BuildTraceV3')?.get(derivation, output)
    return row && { ...row, dependents: JSON.parse(row.dependents) as Record<string, string> }
  }
}

function hasTable(database: Database.Database, name: Table): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name) !== undefined
}
