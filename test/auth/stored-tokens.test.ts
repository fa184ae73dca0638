import { describe, expect, it } from 'vitest'

import { parseGrants } from '../../auth/grants.ts'
import { storedTokens, type StoredTokens } from '../../auth/stored-tokens.ts'
import { parseApiToken, printApiToken } from '../../auth/api-token.ts'
import type { Principal } from '../../src/access.ts'
import { SYSTEM_CACHE } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import type { TokenCaller, TokenRequest } from '../../src/tokens.ts'
import {
  callerOf,
  ECOSYSTEMS,
  keyCaller,
  NOBODY,
  openCredentials,
  type CredentialWorld,
} from '../helpers/credentials.ts'

const OWNER = keyCaller(1, '*:*:*')
const DAY_MS = 86_400_000

function asking(grants: string, more: Partial<TokenRequest> = {}): TokenRequest {
  return { name: 'ci', grants: parseGrants(grants, ECOSYSTEMS), ...more }
}

function open({ store, clock }: CredentialWorld): StoredTokens {
  return storedTokens({ store, now: () => clock.now })
}

/** Who calls with this token. */
async function as(tokens: StoredTokens, token: string): Promise<TokenCaller> {
  const principal = await tokens.authenticate(token)
  if (typeof principal === 'string') throw new Error(principal)
  return callerOf(principal)
}

/** A token, one that it made, and so on: the first is made by a key. */
async function family(tokens: StoredTokens, size: number): Promise<{ token: string; id: string }[]> {
  const made: { token: string; id: string }[] = []
  for (let caller = OWNER; made.length < size;) {
    const { token, info } = await tokens.create(caller, asking('npm:write:*'))
    made.push({ token, id: info.id })
    caller = await as(tokens, token)
  }
  return made
}

describe('a stored token', () => {
  it('is good for its name, its grants and its key', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const { token, info } = await tokens.create(OWNER, asking('npm:write:@acme/*,python:read:*'))
    const end = world.clock.now + LIMITS.tokenSecondsDefault * 1000
    expect(await tokens.authenticate(token)).toEqual({
      id: `token:${info.id}`,
      name: 'ci',
      key: OWNER.principal.key,
      limits: [parseGrants('npm:write:@acme/*,python:read:*', ECOSYSTEMS)],
      credential: info.id,
      expiresAt: Math.floor(end / 1000),
    } satisfies Principal)
    expect(info).toMatchObject({ name: 'ci', createdAt: world.clock.now, expiresAt: end, key: OWNER.principal.key })
  })

  it('is not in the database, and neither is its secret', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const { token, info } = await tokens.create(OWNER, asking('npm:read:*'))
    const rows = [await world.kv.get(SYSTEM_CACHE.id, 'auth-token', info.id), ...(await world.kv.audit(0, 10))]
    expect(rows).toHaveLength(2)
    expect(JSON.stringify(rows)).not.toContain(parseApiToken(token)?.secret)
  })

  it('is looked up again by another server over the same database', async () => {
    await using world = await openCredentials()
    const { token } = await open(world).create(OWNER, asking('npm:read:*'))
    expect(await open(world).verify(token)).toBe(parseApiToken(token)?.id)
  })

  it('is refused when it is malformed, unknown, or shown with another secret', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const { token, info } = await tokens.create(OWNER, asking('npm:read:*'))
    const secret = parseApiToken(token)?.secret ?? ''
    const other = printApiToken({ id: info.id, secret: secret.replace(/^./, (first) => (first === '0' ? '1' : '0')) })
    expect(await tokens.authenticate(token.slice(0, -1))).toBe('malformed')
    expect(await tokens.authenticate('')).toBe('malformed')
    expect(await tokens.authenticate(other)).toBe('wrong secret')
    expect(await tokens.authenticate(printApiToken({ id: 'a'.repeat(12), secret }))).toBe('unknown')
    expect(await tokens.verify(other)).toBeUndefined()
  })

  it('is good to the last moment of its time, and not beyond', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const { token } = await tokens.create(OWNER, asking('npm:read:*', { seconds: 60 }))
    world.clock.now += 59_999
    expect(await tokens.verify(token)).toBeDefined()
    world.clock.now += 1
    expect(await tokens.authenticate(token)).toBe('expired')
  })

  it('is refused at once when it is revoked, and revoking it twice changes nothing', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const { token, info } = await tokens.create(OWNER, asking('npm:read:*'))
    await tokens.revoke(OWNER, info.id)
    expect(await tokens.authenticate(token)).toBe('revoked')
    world.clock.now += 1000
    await tokens.revoke(OWNER, info.id)
    expect((await tokens.list(OWNER.principal))[0]?.revokedAt).toBe(world.clock.now - 1000)
    expect(await world.audited()).toEqual([
      `${OWNER.principal.key} token:create ${info.id} ci`,
      `${OWNER.principal.key} token:revoke ${info.id} ci`,
    ])
  })

  it('is not vouched for when its key is gone', async () => {
    await using world = await openCredentials()
    const tokens = storedTokens({ store: world.store, knowsKey: () => false, now: () => world.clock.now })
    const { token } = await tokens.create(OWNER, asking('npm:read:*'))
    expect(await tokens.verify(token)).toBeUndefined()
  })
})

describe('what may be asked for', () => {
  it('lies within what the creator has', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const acme = keyCaller(2, '*:*:*', 'npm:write:@acme/*')
    await expect(tokens.create(acme, asking('npm:write:*'))).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await expect(tokens.create(acme, asking('npm:delete:@acme/a'))).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await expect(tokens.create(acme, asking('npm:read:@acme/a,python:read:*'))).rejects.toThrow('python:read:*')
    const { info } = await tokens.create(acme, asking('npm:write:@acme/a'))
    expect(info.grants).toEqual(parseGrants('npm:write:@acme/a', ECOSYSTEMS))
  })

  it('is narrowed to what the creator has, where that was wanted', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const acme = keyCaller(2, '*:*:*', 'npm:write:@acme/*,python:*:*')
    const { info } = await tokens.create(acme, asking('npm:write:*', { narrow: true }))
    expect(info.grants).toEqual(parseGrants('npm:write:@acme/*', ECOSYSTEMS))
    await expect(tokens.create(acme, asking('nix:read:*', { narrow: true }))).rejects.toMatchObject({
      code: 'FORBIDDEN',
    })
  })

  it('is nothing for anonymous callers', async () => {
    await using world = await openCredentials()
    await expect(open(world).create(NOBODY, asking('npm:read:*'))).rejects.toMatchObject({ code: 'FORBIDDEN' })
  })

  it.each([
    ['no name', { name: '' }],
    ['a long name', { name: 'a'.repeat(101) }],
    ['a name with a line break', { name: 'a\nb' }],
    ['a name that a terminal obeys', { name: '\u001b[2J' }],
    ['a name that writes backwards', { name: 'a\u202eb' }],
    ['a name with spaces around', { name: ' a' }],
    ['no time', { seconds: 0 }],
    ['half a second', { seconds: 0.5 }],
    ['more than 366 days', { seconds: 366 * 86_400 + 1 }],
    ['no number', { seconds: NaN }],
    ['no grants', { grants: [] }],
    ['too many grants', { grants: Array.from({ length: 101 }, () => asking('npm:read:a').grants).flat() }],
  ])('is not %s', async (_what, wrong: Partial<TokenRequest>) => {
    await using world = await openCredentials()
    await expect(open(world).create(OWNER, asking('npm:read:*', wrong))).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  })

  it('is a name in any script', async () => {
    await using world = await openCredentials()
    const { info } = await open(world).create(OWNER, asking('npm:read:*', { name: 'Jörg, 構築 #1' }))
    expect(info.name).toBe('Jörg, 構築 #1')
  })

  it('is one token less than a key may have', { timeout: 60_000 }, async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const { info } = await tokens.create(OWNER, asking('npm:read:*'))
    const row = await world.kv.get(SYSTEM_CACHE.id, 'auth-token', info.id)
    const others = Array.from({ length: LIMITS.tokensPerKeyMax - 2 }, (_, index) => ({
      kind: 'auth-token',
      key: info.id.slice(0, 4) + String(index).padStart(8, '0'),
      value: row?.value ?? '',
    }))
    await world.kv.commit({ cache: SYSTEM_CACHE.id, puts: others })
    await tokens.create(OWNER, asking('npm:read:*'))
    await expect(tokens.create(OWNER, asking('npm:read:*'))).rejects.toMatchObject({ code: 'CONFLICT' })
    await tokens.create(keyCaller(2, '*:*:*'), asking('npm:read:*'))
    await tokens.revoke(OWNER, info.id)
    await tokens.create(OWNER, asking('npm:read:*'))
  })
})

describe('a token that a token made', () => {
  it('has at most what its creator has, for as long', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const parent = await tokens.create(OWNER, asking('npm:write:@acme/*', { seconds: 3600 }))
    const caller = await as(tokens, parent.token)
    await expect(tokens.create(caller, asking('npm:write:*'))).rejects.toMatchObject({ code: 'FORBIDDEN' })
    const child = await tokens.create(caller, asking('npm:read:@acme/a', { seconds: 7200 }))
    expect(child.info.expiresAt).toBe(parent.info.expiresAt)
    expect(await tokens.authenticate(child.token)).toMatchObject({
      key: OWNER.principal.key,
      limits: [parseGrants('npm:read:@acme/a', ECOSYSTEMS), parseGrants('npm:write:@acme/*', ECOSYSTEMS)],
    })
  })

  it('makes no more of them in the third generation', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const [, , third] = await family(tokens, LIMITS.tokenDepthMax)
    const caller = await as(tokens, third?.token ?? '')
    await expect(tokens.create(caller, asking('npm:read:*'))).rejects.toMatchObject({ code: 'FORBIDDEN' })
  })

  it.each([0, 1])('stops when its ancestor %i is revoked', async (generation) => {
    await using world = await openCredentials()
    const tokens = open(world)
    const made = await family(tokens, 3)
    await tokens.revoke(OWNER, made[generation]?.id ?? '')
    expect(await tokens.authenticate(made[2]?.token ?? '')).toBe('ancestor gone')
  })

  it('takes no place of its key, and is listed as revoked, once its ancestor is', { timeout: 60_000 }, async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const [leaked, child] = await family(tokens, 2)
    const row = await world.kv.get(SYSTEM_CACHE.id, 'auth-token', child?.id ?? '')
    const others = Array.from({ length: LIMITS.tokensPerKeyMax - 2 }, (_, index) => ({
      kind: 'auth-token',
      key: (child?.id ?? '').slice(0, 4) + String(index).padStart(8, '0'),
      value: row?.value ?? '',
    }))
    await world.kv.commit({ cache: SYSTEM_CACHE.id, puts: others })
    await expect(tokens.create(OWNER, asking('npm:read:*'))).rejects.toMatchObject({ code: 'CONFLICT' })
    await tokens.revoke(OWNER, leaked?.id ?? '')
    const { info } = await tokens.create(OWNER, asking('npm:read:*'))
    const good = (await tokens.list(OWNER.principal)).filter(({ revokedAt }) => revokedAt === undefined)
    expect(good.map(({ id }) => id)).toEqual([info.id])
  })

  it('is not made by one that was revoked meanwhile', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const { token, info } = await tokens.create(OWNER, asking('npm:read:*'))
    const caller = await as(tokens, token)
    await tokens.revoke(OWNER, info.id)
    await expect(tokens.create(caller, asking('npm:read:*'))).rejects.toMatchObject({ code: 'FORBIDDEN' })
  })
})

describe('tokens are seen and revoked', () => {
  it('by their key, by the tokens that they descend from, and by an administrator', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const [first, second, third] = await family(tokens, 3)
    const other = await tokens.create(keyCaller(2, 'npm:*:*'), asking('npm:read:*'))
    const ids = async (caller: TokenCaller) => new Set((await tokens.list(caller.principal)).map(({ id }) => id))
    const all = [first?.id, second?.id, third?.id]
    expect(await ids(keyCaller(1, 'npm:*:*'))).toEqual(new Set(all))
    expect(await ids(await as(tokens, second?.token ?? ''))).toEqual(new Set([second?.id, third?.id]))
    expect(await ids(keyCaller(2, 'npm:*:*'))).toEqual(new Set([other.info.id]))
    expect(await ids(keyCaller(3, '*:admin:*'))).toEqual(new Set([...all, other.info.id]))
    expect(await ids(keyCaller(3, 'npm:*:*'))).toEqual(new Set())
    expect(await ids(NOBODY)).toEqual(new Set())
  })

  it('youngest first, with what is known of each', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    for (const name of ['old', 'middle', 'young']) {
      await tokens.create(OWNER, asking('npm:read:*', { name }))
      world.clock.now += 1000
    }
    expect((await tokens.list(OWNER.principal)).map(({ name }) => name)).toEqual(['young', 'middle', 'old'])
  })

  it('by nobody else: such a token is not there', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const [first, second] = await family(tokens, 2)
    const child = await as(tokens, second?.token ?? '')
    for (const stranger of [keyCaller(2, 'npm:*:*'), NOBODY, child]) {
      await expect(tokens.revoke(stranger, first?.id ?? '')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
    await expect(tokens.revoke(OWNER, 'a'.repeat(12))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await tokens.revoke(keyCaller(9, '*:*:*'), first?.id ?? '')
    expect(await tokens.verify(first?.token ?? '')).toBeUndefined()
  })

  it('until they have been dead for a month', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const { info } = await tokens.create(OWNER, asking('npm:read:*', { seconds: 1 }))
    const names = async () => (await tokens.list(OWNER.principal)).map(({ id }) => id)
    world.clock.now += 29 * DAY_MS
    await tokens.create(OWNER, asking('npm:read:*'))
    expect(await names()).toContain(info.id)
    world.clock.now += 2 * DAY_MS
    await tokens.create(OWNER, asking('npm:read:*'))
    expect(await names()).not.toContain(info.id)
    expect(await names()).toHaveLength(2)
  })
})

describe('the last use of a token', () => {
  it('is noted at most once a minute, and never brings back a revoked one', async () => {
    await using world = await openCredentials()
    const tokens = open(world)
    const { token, info } = await tokens.create(OWNER, asking('npm:read:*'))
    const noted = async () => (await tokens.list(OWNER.principal))[0]?.lastUsedAt
    expect(await noted()).toBeUndefined()
    const first = world.clock.now
    await tokens.authenticate(token)
    await expect.poll(noted).toBe(first)
    world.clock.now += 59_999
    await tokens.authenticate(token)
    tokens.used(info.id)
    await tokens.revoke(OWNER, info.id)
    expect(await noted()).toBe(first)
    world.clock.now += 1
    tokens.used(info.id)
    await expect.poll(noted).toBe(first + 60_000)
    expect(await tokens.authenticate(token)).toBe('revoked')
  })

  it('stays away without a word when the database takes no writes', async () => {
    await using world = await openCredentials()
    const { token } = await open(world).create(OWNER, asking('npm:read:*'))
    const kv = { ...world.kv, commit: () => Promise.reject(new Error('read only')) }
    const tokens = storedTokens({ store: { ...world.store, kv }, now: () => world.clock.now })
    expect(await tokens.verify(token)).toBeDefined()
  })
})
