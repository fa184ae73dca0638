import { describe, expect, it } from 'vitest'

import { parseGrants } from '../../auth/grants.ts'
import { storedTokens } from '../../auth/stored-tokens.ts'
import { webLogins } from '../../auth/web-logins.ts'
import { createBuckets } from '../../src/buckets.ts'
import { SYSTEM_CACHE } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { networkOf } from '../../src/network.ts'
import type { WebLogins } from '../../src/web-logins.ts'
import {
  callerOf,
  ECOSYSTEMS,
  keyCaller,
  NOBODY,
  openCredentials,
  type CredentialWorld,
} from '../helpers/credentials.ts'

const OWNER = keyCaller(1, '*:*:*')
const CLIENT = { address: '192.0.2.7', userAgent: 'npm/11.19.1 node/v24.21.0 linux x64 workspaces/false' }

function open({ store, clock }: CredentialWorld): WebLogins {
  const attempts = createBuckets({
    burst: LIMITS.badLoginsBurst,
    perSecond: LIMITS.badLoginsPerSecond,
    keysMax: LIMITS.rateKeysMax,
    bucketOf: networkOf,
    clock: () => clock.now,
  })
  return webLogins({ store, attempts, now: () => clock.now })
}

function tokensOf({ store, clock }: CredentialWorld) {
  return storedTokens({ store, now: () => clock.now })
}

describe('a login with a code', () => {
  it('gives a token for npm to whoever waits, once it is approved', async () => {
    await using world = await openCredentials()
    const logins = open(world)
    const { code, secret } = await logins.start(CLIENT)
    expect(code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
    expect(secret).toMatch(/^dpt_/)
    expect(await logins.collect(CLIENT, secret)).toBeUndefined()
    const grants = parseGrants('npm:write:*', ECOSYSTEMS)
    expect(await logins.approve(OWNER, code)).toEqual({ client: CLIENT.userAgent, grants })
    const token = (await logins.collect(CLIENT, secret)) ?? ''
    expect(await tokensOf(world).authenticate(token)).toMatchObject({
      name: CLIENT.userAgent,
      key: OWNER.principal.key,
      limits: [grants],
    })
  })

  it('shows its approver which client waits, and from where', async () => {
    await using world = await openCredentials()
    const logins = open(world)
    const { code } = await logins.start(CLIENT)
    expect(await logins.look(OWNER, code)).toEqual({ client: CLIENT.userAgent, address: CLIENT.address })
    await logins.approve(OWNER, code)
    await expect(logins.look(OWNER, code)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(logins.look(OWNER, 'BBBB-BBBB')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('gives it once', async () => {
    await using world = await openCredentials()
    const logins = open(world)
    const { code, secret } = await logins.start(CLIENT)
    await logins.approve(OWNER, code)
    await logins.collect(CLIENT, secret)
    await expect(logins.collect(CLIENT, secret)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await tokensOf(world).list(OWNER.principal)).toHaveLength(1)
  })

  it('gives what its approver has of npm, and nothing else', async () => {
    await using world = await openCredentials()
    const logins = open(world)
    const { code, secret } = await logins.start(CLIENT)
    await logins.approve(keyCaller(2, '*:*:*', 'npm:*:@acme/*,python:*:*', '*:read:*'), code)
    const token = (await logins.collect(CLIENT, secret)) ?? ''
    expect(await tokensOf(world).authenticate(token)).toMatchObject({
      limits: [parseGrants('npm:read:@acme/*', ECOSYSTEMS)],
    })
  })

  it('gives the token of a token to whom a token approved', async () => {
    await using world = await openCredentials()
    const [logins, tokens] = [open(world), tokensOf(world)]
    const parent = await tokens.create(OWNER, { name: 'laptop', grants: parseGrants('npm:read:*', ECOSYSTEMS) })
    const principal = await tokens.authenticate(parent.token)
    if (typeof principal === 'string') throw new Error(principal)
    const { code, secret } = await logins.start(CLIENT)
    await logins.approve(callerOf(principal), code)
    const child = (await logins.collect(CLIENT, secret)) ?? ''
    expect(await tokens.verify(child)).toBeDefined()
    await tokens.revoke(OWNER, parent.info.id)
    expect(await tokens.authenticate(child)).toBe('ancestor gone')
  })

  it('is not approved by those who have nothing of npm, and still waits then', async () => {
    await using world = await openCredentials()
    const logins = open(world)
    const { code } = await logins.start(CLIENT)
    for (const caller of [NOBODY, keyCaller(2, 'python:*:*'), keyCaller(2, 'npm:delete:*')])
      await expect(logins.approve(caller, code)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await logins.approve(OWNER, code)
    await expect(logins.approve(OWNER, code)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('is over after ten minutes, approved or not', async () => {
    await using world = await openCredentials()
    const logins = open(world)
    const waiting = await logins.start(CLIENT)
    const approved = await logins.start(CLIENT)
    await logins.approve(OWNER, approved.code)
    world.clock.now += LIMITS.webLoginMs - 1
    expect(await logins.collect(CLIENT, waiting.secret)).toBeUndefined()
    world.clock.now += 1
    await expect(logins.approve(OWNER, waiting.code)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    for (const { secret } of [waiting, approved])
      await expect(logins.collect(CLIENT, secret)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await logins.start(CLIENT)
    expect(await world.kv.list(SYSTEM_CACHE.id, 'auth-web-login', { from: '', limit: 10 })).toHaveLength(1)
  })

  it('is collected with its own secret only', async () => {
    await using world = await openCredentials()
    const logins = open(world)
    const [mine, other] = [await logins.start(CLIENT), await logins.start(CLIENT)]
    await logins.approve(OWNER, mine.code)
    const code = mine.code.replace('-', '')
    const mixed = `dpt_login_${code}_${other.secret.split('_').at(-1)}`
    for (const wrong of [mixed, mine.secret.slice(0, -1), mine.code, ''])
      await expect(logins.collect(CLIENT, wrong)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await logins.collect(CLIENT, mine.secret)).toMatch(/^dpt_/)
  })

  it('leaves neither secret nor token in the database, and a line of the audit log for each step', async () => {
    await using world = await openCredentials()
    const logins = open(world)
    const { code, secret } = await logins.start(CLIENT)
    const [row] = await world.kv.list(SYSTEM_CACHE.id, 'auth-web-login', { from: '', limit: 10 })
    await logins.approve(OWNER, code)
    const token = (await logins.collect(CLIENT, secret)) ?? ''
    const stored = JSON.stringify([
      row,
      await world.kv.list(SYSTEM_CACHE.id, 'auth-token', { from: '', limit: 10 }),
      await world.kv.audit(0, 10),
    ])
    for (const text of [secret, token]) expect(stored).not.toContain(text.split('_')[text === token ? 2 : 3])
    expect(await world.audited()).toEqual([
      `${OWNER.principal.key} login:approve ${code} ${CLIENT.userAgent}`,
      `${OWNER.principal.key} token:create ${token.split('_')[1]} ${CLIENT.userAgent}`,
    ])
  })

  it.each([
    ['', 'npm login'],
    ['npm/11\n\u001b[2J', 'npm/11 [2J'],
    ['ü'.repeat(300), 'npm login'],
    [`${'a'.repeat(99)} b`, 'a'.repeat(99)],
  ])('names its token after the client %j', async (userAgent, name) => {
    await using world = await openCredentials()
    const logins = open(world)
    const { code } = await logins.start({ ...CLIENT, userAgent })
    expect(await logins.approve(OWNER, code)).toMatchObject({ client: name })
  })
})

describe('logins that wait', () => {
  it('are bounded for each address', async () => {
    await using world = await openCredentials()
    const logins = open(world)
    for (let count = 0; count < LIMITS.webLoginsPerAddressMax; count++) await logins.start(CLIENT)
    // Another server has counted no starts of this address.
    const other = open(world)
    await expect(other.start(CLIENT)).rejects.toThrow('wait for their approval')
    await other.start({ ...CLIENT, address: '192.0.2.8' })
    world.clock.now += LIMITS.webLoginMs
    await other.start(CLIENT)
  })

  it('are bounded for each network of IPv6, which whoever has one address has whole', async () => {
    await using world = await openCredentials()
    const logins = open(world)
    for (let count = 0; count < LIMITS.webLoginsPerAddressMax; count++)
      await logins.start({ ...CLIENT, address: `2001:db8:1:2::${count.toString(16)}` })
    const other = open(world)
    await expect(other.start({ ...CLIENT, address: '2001:db8:1:2:f::1' })).rejects.toThrow('wait for their approval')
    await other.start({ ...CLIENT, address: '2001:db8:1:3::1' })
  })

  it('are not started without end', async () => {
    await using world = await openCredentials()
    const logins = open(world)
    const starts = Array.from({ length: 2 * LIMITS.badLoginsBurst }, () => logins.start(CLIENT))
    const refused = (await Promise.allSettled(starts)).flatMap((each) =>
      each.status === 'rejected' ? [each.reason] : [],
    )
    expect(refused.length).toBeGreaterThanOrEqual(LIMITS.badLoginsBurst)
    expect(refused[0]).toMatchObject({
      code: 'TOO_MANY_REQUESTS',
      message: expect.stringMatching('a moment') as unknown,
    })
  })

  it('are bounded for all', async () => {
    await using world = await openCredentials()
    const logins = open(world)
    await logins.start(CLIENT)
    const [row] = await world.kv.list(SYSTEM_CACHE.id, 'auth-web-login', { from: '', limit: 1 })
    const puts = Array.from({ length: LIMITS.webLoginsMax - 1 }, (_, index) => {
      return { kind: 'auth-web-login', key: `Q${index}`, value: row?.value ?? '' }
    })
    await world.kv.commit({ cache: SYSTEM_CACHE.id, puts })
    const start = logins.start({ ...CLIENT, address: '192.0.2.8' })
    await expect(start).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' })
  })

  it('are not found by trying codes', async () => {
    await using world = await openCredentials()
    const logins = open(world)
    const { code } = await logins.start(CLIENT)
    for (let count = 0; count < LIMITS.badLoginsBurst; count++)
      await expect(logins.approve(OWNER, 'BBBB-BBBB')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(logins.approve(OWNER, code)).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' })
    await logins.approve({ ...OWNER, address: '192.0.2.9' }, code)
  })
})
