import { DepotError } from '../../../src/errors.ts'
import { STARTUP_SETTINGS, backendOf, connectPostgres, endClient, type Client, type PostgresTarget } from './connect.ts'
import { postgresError } from './errors.ts'

/** How often it is looked: just then the connection may have gone to a third. */
const LOOKS = 5

/** What pgbouncer is to be told. */
const ADVICE = `pgbouncer needs pool_mode = session and ignore_startup_parameters = ${STARTUP_SETTINGS.join(',')}`

/** What a pooler says of settings that come with a connection, as one line; undefined when it speaks of something else. */
export function explainPooler(said: string): string | undefined {
  if (!/startup param|pooling mode/i.test(said)) return undefined
  return `a pooler stands before PostgreSQL and is not set up for this (${said}): ${ADVICE}`
}

/**
 * Whether there is something between us and PostgreSQL that ends connections: PostgreSQL names, when a connection begins, the process that will
 * answer, and a pooler one of its own.
 */
export async function isPooled(client: Client): Promise<boolean> {
  const rows = await client<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
  return rows[0]?.pid !== rows.state.pid
}

/**
 * Look whether a pooler leaves each client its connection. One that does not would take locks for us and never give them back, and no news would
 * come.
 *
 * @throws DepotError `STORAGE_DOWN` when it does not, or when a setting that it kept from us is one that loses what was acknowledged
 */
export async function demandSessions(target: PostgresTarget): Promise<void> {
  const clients = [connectPostgres(target, { poolMax: 1 }), connectPostgres(target, { poolMax: 1 })] as const
  try {
    if (await areShared(...clients))
      throw new DepotError(
        'STORAGE_DOWN',
        `a pooler gives the connections to PostgreSQL to other clients in between: ${ADVICE}`,
      )
    await demandSettings(clients[0])
  } catch (error) {
    throw postgresError(error)
  } finally {
    await Promise.all(clients.map((client) => endClient(client, 0)))
  }
}

/** Whether one client is answered by several processes, or by the one that answers another client that still lives. */
async function areShared(one: Client, other: Client): Promise<boolean> {
  const [ofOne, ofOther] = [new Set<number>(), new Set<number>()]
  for (let look = 0; look < LOOKS; look++) {
    ofOne.add(await backendOf(one))
    ofOther.add(await backendOf(other))
    ofOne.add(await backendOf(one))
  }
  return ofOne.size > 1 || !ofOne.isDisjointFrom(ofOther)
}

async function demandSettings(client: Client): Promise<void> {
  const [row] = await client<{ commit: string; isolation: string }[]>`
    SELECT current_setting('synchronous_commit') AS commit, current_setting('default_transaction_isolation') AS isolation`
  if (row === undefined) throw new Error('a SELECT without FROM has one row')
  if (row.commit === 'off') throw kept('synchronous_commit', row.commit, 'on')
  if (row.isolation !== 'read committed') throw kept('default_transaction_isolation', row.isolation, 'read committed')
}

function kept(setting: string, value: string, wanted: string): DepotError {
  const advice = `ALTER ROLE … SET ${setting} = '${wanted}' for the user of --database-url`
  return new DepotError('STORAGE_DOWN', `through the pooler ${setting} is ${value}: ${advice}`)
}
