import type { SQLWrapper } from 'drizzle-orm'

import { orm } from '../drizzle.ts'
import type { Pool } from './pool.ts'
import { oftenOf, sharedTrips, type Parameter, type RowQuery } from './trips.ts'

type Values = Record<string, unknown>

/** A query as text, with the order of its parameters, and the fields of its rows. */
export interface Query<Row> extends RowQuery {
  readonly params: unknown[]
  readonly fields: readonly string[]
  /** Only a type: what a row becomes. */
  readonly row?: Row
}

/** How queries are run. */
export interface Runner {
  all<Row>(query: Query<Row>, values: Values): Promise<Row[]>
  /** The only row there may be, in one trip with others that are wanted at the same time. */
  first<Row>(query: Query<Row>, values: Values): Promise<Row | undefined>
  /** The same in a trip of its own, for what is large. */
  large<Row>(query: Query<Row>, values: Values): Promise<Row | undefined>
}

/** Have drizzle write a query. Its own driver would neither prepare it on the server nor send it in one round trip. */
export function written<Row extends object>(query: {
  toSQL(): { sql: string; params: unknown[] }
  _: { result: Row[] }
}): Query<Row> {
  const selected = (query as unknown as { getSelectedFields(): Record<string, SQLWrapper> }).getSelectedFields()
  const { sql: once, params } = query.toSQL()
  return { once, often: oftenOf(once, params.map(parameterOf)), params, fields: Object.keys(selected) }
}

/** Types of the values that are not text. */
const TYPES: Readonly<Record<string, 'integer' | 'bigint'>> = { cache: 'integer', limit: 'integer', after: 'bigint' }

function parameterOf(param: unknown): Parameter {
  if (typeof param === 'number' || typeof param === 'string') return param
  const name = param instanceof orm.Placeholder ? String(param.name) : ''
  return { type: TYPES[name] ?? 'text' }
}

/** Runs queries over a pool; the server prepares each once a connection. */
export function runner(pool: Pool): Runner {
  const rows = (text: string, values: readonly unknown[]) =>
    pool.read((client) => client.unsafe(text, values as never[], { prepare: true }).values())
  const ask = sharedTrips(rows)
  const bind = ({ params }: Query<unknown>, values: Values) => orm.fillPlaceholders(params, values)
  const all: Runner['all'] = async (query, values) =>
    (await rows(query.once, bind(query, values))).map((row) => rowOf(query, row))
  return {
    all,
    first: async (query, values) => {
      const row = await ask(query, bind(query, values))
      return row && rowOf(query, row)
    },
    large: async (query, values) => (await all(query, values))[0],
  }
}

function rowOf<Row>({ fields }: Query<Row>, row: readonly unknown[]): Row {
  return Object.fromEntries(fields.map((field, index) => [field, row[index]])) as Row
}
