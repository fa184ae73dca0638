import postgres from 'postgres'

import { have } from './have.ts'

export interface TestDatabase extends AsyncDisposable {
  readonly url: string
  /** A connection of the test's own, to look behind the driver's back. */
  readonly sql: postgres.Sql
}

/** A language that sorts as people do: bytes must win all the same. */
const LANGUAGE = "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"

/** A database of a test's own, dropped when disposed. `locale`: encoding and locale, as CREATE DATABASE takes them. */
export async function createDatabase(locale = LANGUAGE): Promise<TestDatabase> {
  const name = `depot_${crypto.randomUUID().replaceAll('-', '')}`
  const url = new URL(have.paths.postgres)
  await administer(`CREATE DATABASE ${name} TEMPLATE template0 ${locale}`)
  url.pathname = `/${name}`
  const sql = postgres(url.href, { max: 1, onnotice: () => {} })
  return {
    url: url.href,
    sql,
    async [Symbol.asyncDispose]() {
      await sql.end()
      await administer(`DROP DATABASE ${name} WITH (FORCE)`)
    },
  }
}

/** Run one statement on the server's own database. */
export async function administer(statement: string): Promise<void> {
  const sql = postgres(have.paths.postgres, { max: 1, onnotice: () => {} })
  try {
    await sql.unsafe(statement)
  } finally {
    await sql.end()
  }
}
