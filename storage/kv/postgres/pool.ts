import { setTimeout as sleep } from 'node:timers/promises'

import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { createTurns } from '../../../src/turns.ts'
import { connectPostgres, demandPrimary, endClient, type Client, type PostgresTarget } from './connect.ts'
import { isBroken, mayOnlyRead, postgresError } from './errors.ts'

export interface PoolOptions extends PostgresTarget {
  /** Connections at most. */
  readonly poolMax: number
}

/**
 * A bounded pool of connections, some for reading and some for changes: neither waits for the other. Each is made when it is first wanted, and
 * thrown away when it breaks or is silent for longer than any statement may take. What PostgreSQL or the network refuse comes out as
 * a DepotError.
 */
export interface Pool extends AsyncDisposable {
  /** Use a connection that others use as well; answers come in the order of asking. */
  use<T>(body: (client: Client) => Promise<T>): Promise<T>
  /** The same for what may be done twice: begun again after a break, for as long as a short outage takes. */
  read<T>(body: (client: Client) => Promise<T>): Promise<T>
  /** Have a connection alone for a while. */
  alone<T>(body: (client: Client) => Promise<T>): Promise<T>
  /**
   * Wait a moment and resolve true while an outage is short enough to be waited for.
   *
   * @param since by `performance.now()`: when whoever asks first met it
   */
  mayRepeat(since: number): Promise<boolean>
}

/** One connection. */
interface Member {
  readonly client: Client
  /** Rejects when it leads to a standby, as it may while servers change their parts. It goes out with what is asked first. */
  readonly checked: Promise<void>
  running: number
  /** By `performance.now()`: when something was last answered, or asked while nothing was under way. */
  heardAt: number
}

export function openPool(options: PoolOptions): Pool {
  const { poolMax, statementTimeoutMs = LIMITS.databaseStatementTimeoutMs } = options
  const readersMax = Math.max(1, Math.floor(poolMax / 2))
  const readers = new Set<Member>()
  // A pool of one has one for both.
  const writers = poolMax === 1 ? readers : new Set<Member>()
  const turns = createTurns(Math.max(1, poolMax - readersMax))
  let outageSince: number | undefined
  let isClosed = false
  const watch = setInterval(dropSilent, 1000).unref()

  function add(members: Set<Member>): Member {
    const client = connectPostgres(options, { poolMax: 1, onclose: () => drop(member) })
    const member: Member = { client, checked: demandPrimary(client), running: 0, heardAt: performance.now() }
    member.checked.catch(() => {})
    members.add(member)
    return member
  }

  /** One that has nothing to do, or another one while there may be more, or the one with the least to do. */
  function pick(members: Set<Member>, most: number): Member {
    if (isClosed) throw new DepotError('STORAGE_DOWN', 'the database is being closed')
    let least: Member | undefined
    for (const member of members) {
      if (member.running === 0) return member
      if (least === undefined || member.running < least.running) least = member
    }
    return least === undefined || members.size < most ? add(members) : least
  }

  function drop(member: Member): void {
    if (!readers.delete(member) && !writers.delete(member)) return
    endClient(member.client, 0).catch(() => {})
  }

  function dropSilent(): void {
    const most = statementTimeoutMs + LIMITS.databaseBusyTimeoutMs
    for (const member of [...readers, ...writers])
      if (member.running > 0 && performance.now() - member.heardAt > most) drop(member)
  }

  async function run<T>(member: Member, body: (client: Client) => Promise<T>): Promise<T> {
    if (member.running++ === 0) member.heardAt = performance.now()
    try {
      const [result] = await Promise.all([body(member.client), member.checked])
      outageSince = undefined
      return result
    } catch (error) {
      if (isBroken(error)) {
        outageSince ??= performance.now()
        drop(member)
      } else if (mayOnlyRead(error)) {
        // Those that were made at the same time have nothing more to say.
        for (const other of [member, ...writers]) if (other === member || other.running === 0) drop(other)
      }
      throw postgresError(error)
    } finally {
      member.running--
      member.heardAt = performance.now()
    }
  }

  async function mayRepeat(since: number): Promise<boolean> {
    if (isClosed) return false
    if (performance.now() - Math.min(outageSince ?? since, since) > LIMITS.databaseOutageMs) return false
    await sleep(LIMITS.databaseRetryMsMin * (0.5 + Math.random() / 2))
    return true
  }

  const use: Pool['use'] = async (body) => run(pick(readers, readersMax), body)
  return {
    use,
    async read(body) {
      let since: number | undefined
      for (;;) {
        try {
          return await use(body)
        } catch (error) {
          since ??= performance.now()
          if (!isBroken(error) || !(await mayRepeat(since))) throw error
        }
      }
    },
    async alone(body) {
      await turns.take()
      try {
        return await run(pick(writers, poolMax), body)
      } finally {
        turns.giveBack()
      }
    },
    mayRepeat,
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearInterval(watch)
      const all = [...readers, ...writers]
      // Statements under way get some seconds to end.
      await Promise.all(all.map(({ client }) => endClient(client, LIMITS.databaseBusyTimeoutMs)))
    },
  }
}
