import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterEach, describe, expect, it, vi } from 'vitest'

import { LIMITS } from '../../src/limits.ts'
import { forge, loginFor, makeLoginKey } from '../helpers/forged-logins.ts'
import { makeToken } from '../helpers/guarded-routes.ts'
import { describeWith } from '../helpers/have.ts'
import { createDatabase, type TestDatabase } from '../helpers/postgres-database.ts'
import { startWorkerServer } from '../helpers/worker-server.ts'
import { startWorld, type World } from '../helpers/world.ts'

const [owner, other] = [makeLoginKey(), makeLoginKey()]
const OTHER = `r ${other.line} other@test\n`
const READ = '/nix/nix-cache-info'
/** What the auth file promises. */
const WITHIN_MS = 6000

/**
 * Servers in this process that are started from now on have clocks that stand still, that which nobody sets among them, until
 * `vi.advanceTimersByTime` moves both.
 */
function stopClocks(): void {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] })
}
afterEach(() => void vi.useRealTimers())

async function statusOf(world: World, authorization: string, path = READ): Promise<number> {
  return (await world.fetch(path, { headers: { authorization } })).status
}

async function writes(world: World, authorization: string, path: string): Promise<number> {
  return (await world.fetch(path, { method: 'PUT', headers: { authorization }, body: '{}' })).status
}

describe('a key that leaves the auth file', () => {
  it('is refused within six seconds, with its logins that are remembered and its tokens', async () => {
    await using world = await startWorld({ authFile: `w ${owner.line} owner@test\n${OTHER}` })
    const token = `Bearer ${await makeToken(world.url, owner, ['*:*:*'])}`
    const login = `Bearer ${forge(owner, world.url)}`
    const all = [token, login]
    for (const each of [...all, ...all]) expect(await statusOf(world, each)).toBe(200)
    await writeFile(world.authFile, OTHER)
    for (const each of all) await expect.poll(() => statusOf(world, each), { timeout: WITHIN_MS }).toBe(401)
    for (const each of [token, `Bearer ${loginFor(owner, world.url, 'PUT', READ)}`])
      expect(await writes(world, each, READ)).toBe(401)
    expect(await statusOf(world, `Bearer ${forge(other, world.url)}`)).toBe(200)
    // And has its tokens again when it comes back.
    await writeFile(world.authFile, `${OTHER}w ${owner.line} owner@test\n`)
    await expect.poll(() => statusOf(world, token), { timeout: WITHIN_MS }).toBe(200)
  })

  it('takes what it may no longer do from its tokens and from logins that are remembered', async () => {
    await using world = await startWorld({ authFile: `w ${owner.line} owner@test\n${OTHER}` })
    const token = `Bearer ${await makeToken(world.url, owner, ['*:*:*'])}`
    expect(await writes(world, token, '/npm/@out/pkg')).toBe(400)
    await writeFile(world.authFile, `w ${owner.line} owner@test scope=npm:*:@in/*\n${OTHER}`)
    await expect.poll(() => writes(world, token, '/npm/@out/pkg'), { timeout: WITHIN_MS }).toBe(403)
    expect(await writes(world, token, '/npm/@in/pkg')).toBe(400)
    expect(await statusOf(world, token)).toBe(404)
    await writeFile(world.authFile, `r ${owner.line} owner@test scope=npm:*:@in/*\n${OTHER}`)
    await expect.poll(() => writes(world, token, '/npm/@in/pkg'), { timeout: WITHIN_MS }).toBe(403)
  })

  it('goes at its time, with its tokens and logins that are remembered, when it has one', async () => {
    stopClocks()
    const livesMs = 2500
    const expires = new Date(Date.now() + livesMs).toISOString()
    await using world = await startWorld({ authFile: `w ${owner.line} owner@test expires=${expires}\n${OTHER}` })
    const token = `Bearer ${await makeToken(world.url, owner, ['*:*:*'])}`
    const login = `Bearer ${forge(owner, world.url)}`
    for (const passedMs of [0, livesMs - 1]) {
      vi.advanceTimersByTime(passedMs)
      for (const each of [token, login]) expect(await statusOf(world, each)).toBe(200)
    }
    vi.advanceTimersByTime(1)
    for (const each of [token, login]) expect(await statusOf(world, each)).toBe(401)
    const login2 = `Bearer ${loginFor(owner, world.url, 'PUT', READ)}`
    expect(await writes(world, login2, READ)).toBe(401)
  })
})

describe('a token that is revoked', () => {
  it('is refused at once by the server that was told', async () => {
    await using world = await startWorld({ authFile: `w ${owner.line} owner@test\n${OTHER}` })
    const text = await makeToken(world.url, owner, ['*:*:*'])
    const made = await makeToken(world.url, owner, ['npm:*:*'])
    const token = `Bearer ${text}`
    expect(await statusOf(world, token)).toBe(200)
    expect(await revoke(world, text)).toBe(204)
    expect(await statusOf(world, token)).toBe(401)
    expect(await statusOf(world, `Bearer ${made}`, '/-/whoami')).toBe(200)
  })

  it('is refused at once when npm logs out with it', async () => {
    await using world = await startWorld({ authFile: `w ${owner.line} owner@test\n${OTHER}` })
    const text = await makeToken(world.url, owner, ['npm:*:*'])
    expect(await statusOf(world, `Bearer ${text}`, '/npm/-/whoami')).toBe(200)
    const answer = await world.fetch(`/npm/-/user/token/${text}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${text}` },
    })
    expect(answer.status).toBe(200)
    expect(await statusOf(world, `Bearer ${text}`, '/npm/-/whoami')).toBe(401)
  })

  it('is not remembered by a request that was under way meanwhile', async () => {
    await using world = await startWorld({ authFile: `w ${owner.line} owner@test\n${OTHER}` })
    for (let round = 0; round < 20; round++) {
      const text = await makeToken(world.url, owner, ['*:*:*'])
      await Promise.all([revoke(world, text), ...Array.from({ length: 5 }, () => statusOf(world, `Bearer ${text}`))])
      expect(await statusOf(world, `Bearer ${text}`)).toBe(401)
    }
  })
})

describeWith('postgres', 'a token that is revoked on another server of the same database', () => {
  it('is refused as soon as that one is told, and of those that it was not told of none is good for five seconds', async () => {
    // What is trusted for some seconds is not trusted any more only because somebody said so.
    stopClocks()
    await using database = await createDatabase()
    const options = { authFile: `w ${owner.line} owner@test\n${OTHER}`, databaseUrl: database.url }
    await using one = await startWorld(options)
    await using two = await startWorld(options)
    await expect.poll(() => listeners(database)).toBe(2)
    const [first, second] = [await makeToken(one.url, owner, ['*:*:*']), await makeToken(one.url, owner, ['*:*:*'])]
    for (const text of [first, second])
      for (const world of [one, two]) expect(await statusOf(world, `Bearer ${text}`)).toBe(200)
    expect(await revoke(one, first)).toBe(204)
    expect(await statusOf(one, `Bearer ${first}`)).toBe(401)
    await expect.poll(() => statusOf(two, `Bearer ${first}`)).toBe(401)
    // Gone in the database, and nobody is told.
    expect(await statusOf(two, `Bearer ${second}`)).toBe(200)
    // With another version: who notes its last use at this moment must not write over it.
    await database.sql`UPDATE record SET version = version + 1, value = jsonb_set(value::jsonb, '{revokedAt}', '1')::text
      WHERE cache = 0 AND kind = 'auth-token' AND key = ${second.split('_')[1] ?? ''}`
    vi.advanceTimersByTime(LIMITS.tokenTrustedMs - 1)
    expect(await statusOf(two, `Bearer ${second}`)).toBe(200)
    vi.advanceTimersByTime(1)
    expect(await statusOf(two, `Bearer ${second}`)).toBe(401)
  })

  it('is refused by every worker of the other one', { timeout: 120_000 }, async () => {
    await using database = await createDatabase()
    await using one = await startWorld({ authFile: `w ${owner.line} owner@test\n${OTHER}`, databaseUrl: database.url })
    const keys = ['--private-key', join(one.dir, 'shared.key'), '--npm-private-key', join(one.dir, 'shared-npm.key')]
    const args = ['--database-url', database.url, '--auth-file', one.authFile, ...keys]
    await using two = await startWorkerServer({ args })
    await expect.poll(() => listeners(database)).toBe(2)
    // As many as reach both workers, most probably several times.
    const askAll = async (text: string): Promise<readonly number[]> => {
      const ask = () => fetch(two.url + READ, { headers: { authorization: `Bearer ${text}`, connection: 'close' } })
      const answers = await Promise.all(Array.from({ length: 16 }, ask))
      return [...new Set(answers.map(({ status }) => status))]
    }
    const refusedAfterMs: number[] = []
    // A machine may stand still for longer than a token is trusted, and once more, but not always.
    while (refusedAfterMs.length < 5 && Math.min(...refusedAfterMs) >= LIMITS.tokenTrustedMs / 5) {
      const text = await makeToken(one.url, owner, ['*:*:*'])
      expect(await askAll(text)).toEqual([200])
      const since = performance.now()
      expect(await revoke(one, text)).toBe(204)
      await expect.poll(() => askAll(text)).toEqual([401])
      refusedAfterMs.push(performance.now() - since)
    }
    expect(Math.min(...refusedAfterMs)).toBeLessThan(LIMITS.tokenTrustedMs / 5)
  })
})

/** Servers that hear news at this moment. */
async function listeners({ sql }: TestDatabase): Promise<number> {
  const rows = await sql`
    SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'depot news'`
  return rows.length
}

async function revoke(world: World, token: string): Promise<number> {
  const path = `/-/tokens/${token.split('_')[1]}`
  const headers = { authorization: `Bearer ${loginFor(owner, world.url, 'DELETE', path)}` }
  return (await world.fetch(path, { method: 'DELETE', headers })).status
}
