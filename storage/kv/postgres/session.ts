import { setTimeout as sleep } from 'node:timers/promises'

import { LIMITS } from '../../../src/limits.ts'
import { parsePostgresUrl } from './url.ts'
import { backendOf, connectPostgres, demandPrimary, endClient, type Client, type PostgresTarget } from './connect.ts'
import { untilAborted } from '../until-aborted.ts'

/**
 * A connection that stays, for what PostgreSQL ties to one: advisory locks of a session, and the channels that it listens to. A pool would
 * give them to anybody. It is made when it is first wanted, and again by itself after an outage.
 */
export interface Session extends AsyncDisposable {
  /** The connection of this moment, or the next one. @throws the reason of `signal` */
  live(signal: AbortSignal): Promise<Live>
}

/** One connection, from when it can be used until it breaks. */
export interface Live {
  readonly client: Client
  /** Which process of PostgreSQL it talks to: an answer that names another one came from another connection. */
  readonly backend: number
  /** Aborted when it is broken. What was tied to it may be somebody else's by then. */
  readonly lost: AbortSignal
}

export interface SessionOptions {
  readonly target: PostgresTarget
  /** What `pg_stat_activity` shows behind the name of the application. */
  readonly purpose: string
  /** What every new connection begins with. */
  begin?(client: Client): Promise<void>
  /** Called with every new connection once it has begun. */
  opened?(): void
  notified?(channel: string, payload: string): void
}

/** A connection that stays. Nothing is connected before the first call of `live`. */
export function openSession(options: SessionOptions): Session {
  const closing = new AbortController()
  let next = Promise.withResolvers<Live>()
  let keeping: Promise<void> | undefined

  async function keep(): Promise<void> {
    for (let failures = 0; !closing.signal.aborted; failures++) {
      const startedAt = performance.now()
      await keepOne(options, closing.signal, (live) => {
        next.resolve(live)
        live.lost.addEventListener('abort', () => (next = Promise.withResolvers()), { once: true })
      })
      // One that lived for a while was in order.
      if (performance.now() - startedAt > LIMITS.databasePulseMs) failures = 0
      await pause(failures, closing.signal)
    }
  }

  return {
    async live(signal) {
      signal.throwIfAborted()
      keeping ??= keep()
      return untilAborted(next.promise, AbortSignal.any([signal, closing.signal]))
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new Error('the database is being closed'))
      await keeping
    },
  }
}

/** Keep one connection until it breaks or is not wanted any more. Never throws: what it could not do, the next one tries again. */
async function keepOne(options: SessionOptions, closing: AbortSignal, ready: (live: Live) => void): Promise<void> {
  const broken = new AbortController()
  const client = connectPostgres(options.target, {
    poolMax: 1,
    purpose: options.purpose,
    onclose: () => broken.abort(),
    onnotify: (channel, payload) => options.notified?.(channel, payload),
  })
  try {
    const late = AbortSignal.timeout(beginMsMax(options.target))
    const backend = await untilAborted(begun(client, options), AbortSignal.any([closing, late]))
    ready({ client, backend, lost: broken.signal })
    options.opened?.()
    const either = AbortSignal.any([broken.signal, closing])
    // A connection over which nothing comes back any more does not say so by itself.
    while (!either.aborted) {
      await sleep(LIMITS.databasePulseMs, undefined, { signal: either }).catch(() => {})
      if (!either.aborted && (await answered(client, either)) !== backend) broken.abort()
    }
  } catch {
    // The server is not there, or not yet.
  } finally {
    broken.abort()
    await endClient(client, 0).catch(() => {})
  }
}

/** @returns which process of PostgreSQL answers */
async function begun(client: Client, { begin }: SessionOptions): Promise<number> {
  await demandPrimary(client)
  await begin?.(client)
  return backendOf(client)
}

/** What connecting may take, and then the first answers: over a connection that went silent meanwhile none would ever come. */
function beginMsMax({ url }: PostgresTarget): number {
  return (parsePostgresUrl(url).connectTimeoutMs ?? LIMITS.databaseBusyTimeoutMs) + LIMITS.databaseBusyTimeoutMs
}

/** Who answers, within the time that an answer may take and before the signal comes. */
async function answered(client: Client, stop: AbortSignal): Promise<number | undefined> {
  const late = AbortSignal.timeout(LIMITS.databaseBusyTimeoutMs)
  return untilAborted(backendOf(client), AbortSignal.any([late, stop])).catch(() => undefined)
}

/** Longer after each failure, and never the same for two servers: a database that comes back is not asked by all at once. */
async function pause(failures: number, signal: AbortSignal): Promise<void> {
  const most = Math.min(LIMITS.databaseRetryMsMin * 2 ** failures, LIMITS.databaseRetryMsMax)
  await sleep(most * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
}
