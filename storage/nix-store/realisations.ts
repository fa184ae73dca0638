import type Database from 'better-sqlite3'

import type { LocalStore, NamedRealisation } from '../../src/local-store.ts'

interface Row extends Omit<NamedRealisation, 'dependents'> {
  /** JSON. */
  readonly dependents: string
}

/**
 * The tables that Nix makes once content-addressed derivations are switched on. One statement each, so that an answer is of one moment.
 */
const TABLES = {
  // Nix up to 2.34 (nix: libstore/ca-specific-schema.sql).
  Realisations: `SELECT drvPath AS derivation, outputName AS output, path AS outPath, signatures, (
      SELECT json_group_object(other.drvPath || '!' || other.outputName, built.path) FROM RealisationsRefs
        JOIN Realisations AS other ON other.id = RealisationsRefs.realisationReference
        JOIN ValidPaths AS built ON built.id = other.outputPath
        WHERE RealisationsRefs.referrer = Realisations.id
    ) AS dependents FROM Realisations JOIN ValidPaths ON ValidPaths.id = Realisations.outputPath`,
  // Since 2.35: by the base name of the derivation; the path stands there as text.
  BuildTraceV3: `SELECT drvPath AS derivation, outputName AS output, path AS outPath, signatures, '{}' AS dependents
    FROM BuildTraceV3 JOIN ValidPaths ON ValidPaths.path = BuildTraceV3.outputPath`,
} as const
type Table = keyof typeof TABLES

const BY_OUTPUT = 'WHERE drvPath = ? AND outputName = ? LIMIT 1'
const BY_PATH = 'WHERE ValidPaths.path = ?'

interface Queries {
  readonly byOutput: Database.Statement<[derivation: string, output: string], Row>
  readonly byPath: Database.Statement<[path: string], Row>
}

/** Ask a Nix database for realisations. It may lack the table for them, now or for ever. */
export function realisations(database: Database.Database): Pick<LocalStore, 'realisation' | 'realisationsOf'> {
  const known = new Map<Table, Queries>()

  function queries(table: Table): Queries | undefined {
    const found = known.get(table)
    if (found !== undefined) return found
    if (!hasTable(database, table)) return undefined
    const prepared: Queries = {
      byOutput: database.prepare(`${TABLES[table]} ${BY_OUTPUT}`),
      byPath: database.prepare(`${TABLES[table]} ${BY_PATH}`),
    }
    known.set(table, prepared)
    return prepared
  }
  return {
    realisation(derivation, output) {
      const row = queries(derivation.startsWith('sha256:') ? 'Realisations' : 'BuildTraceV3')?.byOutput.get(
        derivation,
        output,
      )
      return row && parsed(row)
    },
    realisationsOf: (path) =>
      (Object.keys(TABLES) as Table[]).flatMap((table) => queries(table)?.byPath.all(path).map(parsed) ?? []),
  }
}

function parsed({ dependents, ...row }: Row): NamedRealisation {
  return { ...row, dependents: JSON.parse(dependents) as Record<string, string> }
}

function hasTable(database: Database.Database, name: Table): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name) !== undefined
}
