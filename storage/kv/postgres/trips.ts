import { LIMITS } from '../../../src/limits.ts'

/** A statement that gives at most one row, as it is asked once and as it is asked many times. */
export interface RowQuery {
  /** Gives the columns of the row. */
  readonly once: string
  /**
   * Takes the values of all askings as one JSON array of arrays, and gives for each row the number of its asking, from 1, and then the
   * columns.
   */
  readonly often: string
}

/** Runs a statement; each row as the values of its columns. */
export type RunRows = (text: string, values: readonly unknown[]) => Promise<readonly (readonly unknown[])[]>

/** The row, or undefined when there is none. */
export type AskRow = (query: RowQuery, values: readonly unknown[]) => Promise<readonly unknown[] | undefined>

/** What stands for `$1`, `$2`, …: a constant, or a value that is given with each asking, and its type. */
export type Parameter = string | number | { readonly type: 'integer' | 'bigint' | 'text' }

/**
 * The statement for many askings. Each is looked up by itself, as once: the OFFSET keeps PostgreSQL from making a join of it, which would look
 * at whole tables.
 *
 * @param text the statement for one
 */
export function oftenOf(text: string, parameters: readonly Parameter[]): string {
  const one = text.replace(/\$(\d+)/g, (_, place: string) => {
    const parameter = parameters[Number(place) - 1] ?? ''
    if (typeof parameter === 'number') return String(parameter)
    if (typeof parameter === 'string') return `'${parameter.replaceAll("'", "''")}'`
    return `(asking.parts ->> ${Number(place) - 1})::${parameter.type}`
  })
  return `SELECT asking.number, found.*
    FROM jsonb_array_elements($1::text::jsonb) WITH ORDINALITY AS asking (parts, number) CROSS JOIN LATERAL (${one} OFFSET 0) AS found`
}

interface Asking {
  readonly values: readonly unknown[]
  readonly resolve: (row: readonly unknown[] | undefined) => void
  readonly reject: (error: unknown) => void
}

/**
 * Askings that come in one turn of the event loop make one trip to the database, and so do those that come while others are on their way: it
 * costs the same for one as for many.
 */
export function sharedTrips(run: RunRows): AskRow {
  const waiting = new Map<RowQuery, Asking[]>()
  let underWay = 0
  let isPlanned = false

  function plan(): void {
    if (isPlanned || waiting.size === 0) return
    isPlanned = true
    setImmediate(leave)
  }

  function leave(): void {
    isPlanned = false
    for (const [query, askings] of waiting) {
      if (underWay >= LIMITS.databaseTripsAtOnce) return
      waiting.delete(query)
      void travel(query, askings.splice(0, LIMITS.databaseAskingsPerTrip))
      // Behind the other queries: one that is asked without end must not keep them waiting.
      if (askings.length > 0) waiting.set(query, askings)
    }
  }

  async function travel(query: RowQuery, askings: readonly Asking[]): Promise<void> {
    underWay++
    try {
      const found = await rowsOf(run, query, askings)
      askings.forEach(({ resolve }, index) => resolve(found.get(index + 1)))
    } catch (error) {
      for (const { reject } of askings) reject(error)
    } finally {
      underWay--
      plan()
    }
  }

  return (query, values) =>
    new Promise((resolve, reject) => {
      const askings = waiting.get(query)
      if (askings === undefined) waiting.set(query, [{ values, resolve, reject }])
      else askings.push({ values, resolve, reject })
      if (underWay < LIMITS.databaseTripsAtOnce) plan()
    })
}

/** By the number of their asking. */
async function rowsOf(
  run: RunRows,
  { once, often }: RowQuery,
  askings: readonly Asking[],
): Promise<ReadonlyMap<unknown, readonly unknown[]>> {
  const [first] = askings
  if (first === undefined) return new Map()
  if (askings.length > 1) {
    const rows = await run(often, [JSON.stringify(askings.map(({ values }) => values))])
    return new Map(rows.map(([number, ...row]) => [number, row]))
  }
  const [row] = await run(once, first.values)
  return row === undefined ? new Map() : new Map([[1, row]])
}
