import { setTimeout as sleep } from 'node:timers/promises'

import { expect, it } from 'vitest'

import { LIMITS } from '../../src/limits.ts'
import { clientRounds } from '../helpers/client-rounds.ts'
import { describeWith } from '../helpers/have.ts'
import { startOwnPostgres } from '../helpers/own-postgres.ts'
import { startTwoServers } from '../helpers/two-servers.ts'

/** Two, on a machine that has nothing else to do. */
const SECONDS = { timeout: 30_000 }

describeWith(['postgres', 'nginx', 'openssl', 'nix', 'npm', 'pip'], 'two servers whose PostgreSQL fails', () => {
  it('answer again within seconds of its restart, and clients that try again notice nothing', async () => {
    await using postgres = await startOwnPostgres()
    await using servers = await startTwoServers(postgres.url)
    await using rounds = await clientRounds(servers, true)
    await rounds.nix('before')
    await postgres.crash()
    let tries = 0
    await expect.poll(() => rounds.plain(`try-${++tries}`).then(() => 'fine', String), SECONDS).toBe('fine')
    await Promise.all([rounds.nix('during'), rounds.npm('during'), sleep(300).then(() => postgres.crash())])
    await rounds.pip('after')
    for (const index of [0, 1] as const) expect((await fetch(`${servers.addresses[index]}/readyz`)).status).toBe(200)
  }, 180_000)

  it('say before the time of a statement is over that it is the database that hangs, to however many ask, and that it is back', async () => {
    await using postgres = await startOwnPostgres()
    await using servers = await startTwoServers(postgres.url)
    const [url] = servers.addresses
    expect(await (await fetch(`${url}/readyz`)).text()).toBe('ready\n')
    // Until the look of a moment ago is asked for anew. Timers count whole milliseconds, and may come one early.
    await sleep(LIMITS.readinessSharedMs + 10)
    await postgres.pause()
    try {
      const answers = await Promise.all(
        Array.from({ length: 50 }, async () => {
          const answer = await fetch(`${url}/readyz`, { headers: { accept: 'application/json' } })
          return { status: answer.status, body: await answer.json() }
        }),
      )
      // Nobody has waited for as long as a statement may take: what is told is that there was no answer, not that the database is down.
      const parts = [
        { name: 'database', state: 'no answer' },
        { name: 'store', state: 'ok' },
      ]
      for (const answer of answers) expect(answer).toEqual({ status: 503, body: { status: 'not ready', parts } })
      expect((await fetch(`${url}/healthz`)).status).toBe(200)
    } finally {
      await postgres.resume()
    }
    await expect.poll(async () => (await fetch(`${url}/readyz`)).status, SECONDS).toBe(200)
  }, 120_000)
})
