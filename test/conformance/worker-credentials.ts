import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../src/limits.ts'
import { forge, loginFor, makeLoginKey, type LoginKey } from '../helpers/forged-logins.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { startWorkerServer, type Answered, type Talk, type WorkerServer } from '../helpers/worker-server.ts'

const TIME = { timeout: 240_000 }
const ROUND_MS = 20
const JSON_TYPE = { 'content-type': 'application/json' }

/** Credentials that each of several workers may see. `database`: the arguments that name an empty one. */
export function describeWorkerCredentials(driver: string, database: () => Promise<readonly string[]>): void {
  describe(`credentials that are shown to several workers over ${driver}`, () => {
    it('are refused by all of them at once when one revokes them', TIME, async () => {
      await using world = await startGuarded(await database())
      const { key, one, two } = world
      for (let round = 0; round < 5; round++) {
        const { token, id } = await makeToken(world, round % 2 === 0 ? one : two)
        const bearer = { authorization: `Bearer ${token}` }
        // Now both remember it.
        for (const talk of [one, two])
          expect((await talk.ask('GET', '/-/session', { headers: bearer })).status).toBe(200)
        const path = `/-/tokens/${id}`
        const revoked = await one.ask('DELETE', path, { headers: loginOf(world, key, 'DELETE', path) })
        expect(revoked.status).toBe(204)
        for (const talk of [two, one])
          expect((await talk.ask('GET', '/-/session', { headers: bearer })).status).toBe(401)
      }
    })

    it('that are good once are good at one of them', TIME, async () => {
      await using world = await startGuarded(await database())
      const { key, one, two } = world
      for (let round = 0; round < 5; round++) {
        const headers = { ...JSON_TYPE, ...loginOf(world, key, 'POST', '/-/tokens') }
        const body = JSON.stringify({ name: 'replayed', grants: ['npm:read:*'] })
        const both = await Promise.all([one, two].map((talk) => talk.ask('POST', '/-/tokens', { headers, body })))
        expect(both.map(({ status }) => status).toSorted((left, right) => left - right)).toEqual([201, 401])
        expect((await two.ask('POST', '/-/tokens', { headers, body })).status).toBe(401)
      }
    })

    it('may be approved at another than where a client waits for them', TIME, async () => {
      await using world = await startGuarded(await database())
      const { key, one, two } = world
      const started = await one.ask('POST', '/npm/-/v1/login', { headers: JSON_TYPE, body: '{}' })
      const { loginUrl, doneUrl } = JSON.parse(started.text) as { loginUrl: string; doneUrl: string }
      const done = new URL(doneUrl).pathname
      expect((await two.ask('GET', done)).status).toBe(202)
      const path = `/-/logins/${loginUrl.split('/').at(-1) ?? ''}`
      const approved = await two.ask('POST', path, { headers: loginOf(world, key, 'POST', path) })
      expect(approved.status).toBe(200)
      const collected = await Promise.all([one, two, one, two].map((talk) => talk.ask('GET', done)))
      const tokens = collected.filter(({ status }) => status === 200)
      expect(tokens).toHaveLength(1)
      expect(tokens[0]?.text).toContain('dpt_')
    })

    it('are counted by all of them together when they are bad', TIME, async () => {
      await using world = await startGuarded(await database())
      const { key, one, two } = world
      const bad = (): Promise<Answered[]> =>
        Promise.all(
          [one, two].map((talk) => {
            const login = forge(key, world.url, { signature: () => Buffer.alloc(64, 1) })
            return talk.ask('GET', '/-/session', { headers: { authorization: `Bearer ${login}` } })
          }),
        )
      const statuses: number[] = []
      const begun = performance.now()
      // What they tell each other takes some milliseconds, in which a fast one is asked many times.
      for (let round = 0; round < LIMITS.badLoginsBurst; round++)
        statuses.push(...(await Promise.all([bad(), sleep(ROUND_MS)]))[0].map(({ status }) => status))
      const seconds = (performance.now() - begun) / 1000
      const lookedAt = statuses.filter((status) => status === 401).length
      // Those of one burst, what was given since, and what was under way at the same moment.
      expect(lookedAt).toBeLessThanOrEqual(LIMITS.badLoginsBurst + LIMITS.badLoginsPerSecond * seconds + 10)
      if (seconds < 2) expect(statuses).toContain(429)
    })
  })
}

interface Guarded extends WorkerServer {
  readonly key: LoginKey
  readonly one: Talk
  readonly two: Talk
}

async function startGuarded(database: readonly string[]): Promise<Guarded> {
  const home = await tempDir('workers-guarded')
  const key = makeLoginKey()
  writeFileSync(home.join('auth.keys'), `w ${key.line} owner\n`)
  const server = await startWorkerServer({
    args: ['--auth-file', home.join('auth.keys'), '--read-auth', 'always', ...database],
  })
  const [one, two] = [await server.connectTo(1), await server.connectTo(2)]
  return {
    ...server,
    key,
    one,
    two,
    async [Symbol.asyncDispose]() {
      one[Symbol.dispose]()
      two[Symbol.dispose]()
      await server[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
    },
  }
}

function loginOf(
  { url }: WorkerServer,
  key: LoginKey,
  method: string,
  path: string,
): { readonly authorization: string } {
  return { authorization: `Bearer ${loginFor(key, url, method, path)}` }
}

async function makeToken(world: Guarded, talk: Talk): Promise<{ readonly token: string; readonly id: string }> {
  const answer = await talk.ask('POST', '/-/tokens', {
    headers: { ...JSON_TYPE, ...loginOf(world, world.key, 'POST', '/-/tokens') },
    body: JSON.stringify({ name: 'shown', grants: ['npm:read:*'] }),
  })
  expect(answer.status).toBe(201)
  const { token, info } = JSON.parse(answer.text) as { token: string; info: { id: string } }
  return { token, id: info.id }
}
