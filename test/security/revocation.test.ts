import { writeFile } from 'node:fs/promises'

import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../src/limits.ts'
import { forge, loginFor, makeLoginKey } from '../helpers/forged-logins.ts'
import { makeToken } from '../helpers/guarded-routes.ts'
import { describeWith } from '../helpers/have.ts'
import { createDatabase } from '../helpers/postgres-database.ts'
import { startWorld, type World } from '../helpers/world.ts'

const [owner, other] = [makeLoginKey(), makeLoginKey()]
const OTHER = `r ${other.line} other@test\n`
const READ = '/nix/nix-cache-info'
/** What the auth file promises. */
const WITHIN_MS = 6000

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
    const end = Date.now() + 2500
    const expires = new Date(end).toISOString()
    await using world = await startWorld({ authFile: `w ${owner.line} owner@test expires=${expires}\n${OTHER}` })
    const token = `Bearer ${await makeToken(world.url, owner, ['*:*:*'])}`
    const login = `Bearer ${forge(owner, world.url)}`
    for (const each of [token, login]) expect(await statusOf(world, each)).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, end - Date.now() + 20))
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
  it('is refused within five seconds', async () => {
    await using database = await createDatabase()
    const options = { authFile: `w ${owner.line} owner@test\n${OTHER}`, databaseUrl: database.url }
    await using one = await startWorld(options)
    await using two = await startWorld(options)
    const text = await makeToken(one.url, owner, ['*:*:*'])
    for (const world of [one, two]) expect(await statusOf(world, `Bearer ${text}`)).toBe(200)
    expect(await revoke(one, text)).toBe(204)
    expect(await statusOf(one, `Bearer ${text}`)).toBe(401)
    await expect.poll(() => statusOf(two, `Bearer ${text}`), { timeout: LIMITS.tokenTrustedMs + 200 }).toBe(401)
  })
})

async function revoke(world: World, token: string): Promise<number> {
  const path = `/-/tokens/${token.split('_')[1]}`
  const headers = { authorization: `Bearer ${loginFor(owner, world.url, 'DELETE', path)}` }
  return (await world.fetch(path, { method: 'DELETE', headers })).status
}
