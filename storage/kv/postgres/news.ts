import { setTimeout as sleep } from 'node:timers/promises'

import { LIMITS } from '../../../src/limits.ts'
import type { News, Siblings } from '../../../src/siblings.ts'
import { printPayloads, readPayload } from './news-payload.ts'
import type { PostgresTarget } from './connect.ts'
import { openSession } from './session.ts'
import { untilAborted } from '../until-aborted.ts'

/** Any other program on this database may use it as well: what is none of ours is not heard. */
const CHANNEL = 'depot_news'

/** The servers that use one database, as one of them tells and hears them. */
export interface NewsWire extends Siblings, AsyncDisposable {}

/**
 * News between servers by LISTEN and NOTIFY, over a connection of its own. Whenever that connection begins, at first and after an outage,
 * both ends look at every credential again, because something may have been missed. Counts that do not get through are lost: they
 * are made anew by whoever goes on trying.
 */
export function openPostgresNews(target: PostgresTarget): NewsWire {
  const self = crypto.randomUUID()
  const closing = new AbortController()
  const listeners: ((news: News) => void)[] = []
  let pending: News[] = []
  let isUntold = false
  let flushing: Promise<void> | undefined

  const session = openSession({
    target,
    purpose: 'news',
    async begin(client) {
      await client.unsafe(`LISTEN ${CHANNEL}`)
    },
    opened() {
      spread('credentials changed')
      if (isUntold) void tell('credentials changed')
    },
    notified(channel, payload) {
      const told = channel === CHANNEL ? readPayload(payload) : undefined
      if (told !== undefined && told.from !== self) told.news.forEach(spread)
    },
  })

  function spread(news: News): void {
    for (const listener of listeners) listener(news)
  }

  async function send(news: readonly News[]): Promise<void> {
    const patience = AbortSignal.any([closing.signal, AbortSignal.timeout(LIMITS.newsHeardMs)])
    const { client } = await session.live(patience)
    const sent = printPayloads({ from: self, news }).map((payload) => client`SELECT pg_notify(${CHANNEL}, ${payload})`)
    await untilAborted(Promise.all(sent), patience)
  }

  async function tell(news: 'credentials changed'): Promise<void> {
    try {
      await send([news])
      isUntold = false
    } catch {
      // Told when the connection is there again; until then no server trusts a token for longer than `LIMITS.tokenTrustedMs`.
      isUntold = true
    }
  }

  /** Counts of some moments go together: somebody who tries passwords must not make the database busy. */
  async function flushSoon(): Promise<void> {
    await sleep(LIMITS.newsGatheredMs, undefined, { signal: closing.signal }).catch(() => {})
    flushing = undefined
    const batch = pending
    pending = []
    await send(batch).catch(() => {})
  }

  // Connected before anybody has something to tell.
  session.live(closing.signal).catch(() => {})
  return {
    async tell(news) {
      if (news === 'credentials changed') return tell(news)
      if (pending.length >= LIMITS.newsGatheredMax) return
      pending.push(news)
      flushing ??= flushSoon()
    },
    hear: (listener) => void listeners.push(listener),
    async [Symbol.asyncDispose]() {
      closing.abort(new Error('the server stops'))
      await flushing
      await session[Symbol.asyncDispose]()
    },
  }
}
