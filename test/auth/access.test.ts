import { describe, expect, it } from 'vitest'

import { createAccess } from '../../auth/access.ts'
import { parseAuthFile } from '../../auth/auth-file.ts'
import { storedTokens } from '../../auth/stored-tokens.ts'
import { createUsedLogins } from '../../auth/used-logins.ts'
import { ANONYMOUS, type Credentials, type Decision, type RoutePolicy } from '../../src/access.ts'
import { createBuckets } from '../../src/buckets.ts'
import type { CredentialsRefusal } from '../../src/events.ts'
import { LIMITS } from '../../src/limits.ts'
import { networkOf } from '../../src/network.ts'
import { ECOSYSTEMS, keyCaller, openCredentials } from '../helpers/credentials.ts'
import { forge, goodClaims, makeLoginKey, type Forgery, type LoginKey } from '../helpers/forged-logins.ts'

const AUDIENCE = 'https://depot.example'
const PUT = { method: 'PUT', path: '/npm/a', policy: 'write' } as const
const GET = { method: 'GET', path: '/npm/a', policy: 'read' } as const

interface Setup {
  readonly file: string
  readonly readAuth?: 'auto' | 'always' | 'never'
  readonly pathPrefix?: string
}

async function setUp({ file, readAuth = 'auto', pathPrefix = '' }: Setup) {
  const world = await openCredentials()
  const { clock } = world
  const refusals: CredentialsRefusal[] = []
  const used: string[] = []
  let current = { ...parseAuthFile(file, { ecosystems: ECOSYSTEMS, now: clock.now }), generation: 1 }
  const stored = storedTokens({ store: world.store, now: () => clock.now })
  const access = createAccess({
    authFile: { current: () => current },
    tokens: { authenticate: (text) => stored.authenticate(text), used: (id) => void used.push(id) },
    usedLogins: createUsedLogins(world.kv, () => clock.now / 1000),
    readAuth,
    audiencesOf: () => [AUDIENCE],
    pathPrefix,
    ecosystems: ECOSYSTEMS,
    events: { credentialsRefused: (refusal) => void refusals.push(refusal) },
    attempts: createBuckets({
      burst: LIMITS.badLoginsBurst,
      perSecond: LIMITS.badLoginsPerSecond,
      keysMax: LIMITS.rateKeysMax,
      bucketOf: networkOf,
      clock: () => clock.now,
    }),
    now: () => clock.now,
  })
  return {
    ...world,
    access,
    stored,
    refusals,
    used,
    change(text: string) {
      current = {
        ...parseAuthFile(text, { ecosystems: ECOSYSTEMS, now: clock.now }),
        generation: current.generation + 1,
      }
    },
    show: async (authorization: string | undefined, request: Partial<Credentials> = {}) =>
      access.authenticate({ authorization, host: undefined, address: '192.0.2.1', ...GET, ...request }),
    login: (key: LoginKey, forgery: Forgery = {}) => {
      const claims = { ...goodClaims(key, AUDIENCE, clock.now / 1000), ...(forgery.claims as object | undefined) }
      return `Bearer ${forge(key, AUDIENCE, { ...forgery, claims })}`
    },
  }
}

const resource = (name: string) => ({ cache: 'main', ecosystem: 'npm', name })

describe('what callers may do', () => {
  const rights = { anonymous: [], reader: ['*:read:*'], writer: ['*:*:*'], scoped: ['*:*:*', 'npm:*:@in/*'] } as const
  const principalOf = (who: keyof typeof rights) =>
    who === 'anonymous' ? ANONYMOUS : keyCaller(1, ...rights[who]).principal
  const table: readonly (readonly [keyof typeof rights, RoutePolicy, Decision])[] = [
    ['anonymous', 'public', 'allow'],
    ['anonymous', 'account', 'unauthenticated'],
    ['anonymous', 'read', 'unauthenticated'],
    ['anonymous', 'write', 'unauthenticated'],
    ['anonymous', 'delete', 'unauthenticated'],
    ['anonymous', 'admin', 'unauthenticated'],
    ['reader', 'account', 'allow'],
    ['reader', 'read', 'allow'],
    ['reader', 'write', 'forbidden'],
    ['reader', 'delete', 'forbidden'],
    ['reader', 'admin', 'forbidden'],
    ['writer', 'read', 'allow'],
    ['writer', 'admin', 'allow'],
    ['scoped', 'account', 'allow'],
    ['scoped', 'read', 'hidden'],
    ['scoped', 'write', 'forbidden'],
    ['scoped', 'delete', 'forbidden'],
  ]

  it.each(table)('%s %s outside of a scope: %s', async (who, policy, decision) => {
    await using world = await setUp({ file: '', readAuth: 'always' })
    expect(world.access.authorize(principalOf(who), policy, resource('@out/a'))).toBe(decision)
  })

  it.each(table.filter(([, policy]) => policy === 'read'))('%s may %s where reads are open', async (who, policy) => {
    await using world = await setUp({ file: '', readAuth: 'never' })
    expect(world.access.authorize(principalOf(who), policy, resource('@out/a'))).toBe('allow')
    expect(world.access.authorize(principalOf(who), 'write', resource('@out/a'))).toBe(
      table.find(([name, action]) => name === who && action === 'write')?.[2] ?? 'allow',
    )
  })

  it('is within a scope what the scope says', async () => {
    await using world = await setUp({ file: '', readAuth: 'always' })
    for (const policy of ['read', 'write', 'delete', 'admin'] as const)
      expect(world.access.authorize(principalOf('scoped'), policy, resource('@in/a'))).toBe('allow')
  })
})

describe('a login', () => {
  const key = makeLoginKey()
  const file = `w ${key.line} owner@test`

  it('shows who calls, with the rights of the key and whatever narrows them', async () => {
    await using world = await setUp({ file: `${file} scope=npm:*:*` })
    const principal = await world.show(world.login(key, { claims: { scope: 'npm:read:@in/*' } }))
    expect(principal).toMatchObject({
      id: key.fingerprint,
      name: 'owner@test',
      key: key.fingerprint,
      limits: [
        [{ ecosystem: '*', action: '*', pattern: '*' }],
        [{ ecosystem: 'npm', action: '*', pattern: '*' }],
        [{ ecosystem: 'npm', action: 'read', pattern: '@in/*' }],
      ],
      expiresAt: world.clock.now / 1000 + 120,
    })
  })

  it('that changes something is good once, and only for what it was made', async () => {
    await using world = await setUp({ file })
    const login = world.login(key, { claims: { htm: 'PUT', htu: '/npm/a' } })
    expect(await world.show(login, { ...PUT, path: '/npm/b' })).toBe(ANONYMOUS)
    expect(await world.show(login, { ...PUT, method: 'DELETE' })).toBe(ANONYMOUS)
    expect(await world.show(login, PUT)).toMatchObject({ id: key.fingerprint })
    expect(await world.show(login, PUT)).toBe(ANONYMOUS)
    expect(world.refusals.map(({ reason }) => reason)).toEqual([
      'it was made for another path',
      'it was made for PUT',
      'it was used before',
    ])
  })

  it('has one winner when it is shown twenty times at once', async () => {
    await using world = await setUp({ file })
    const login = world.login(key, { claims: { htm: 'PUT', htu: '/npm/a' } })
    const shown = await Promise.all(Array.from({ length: 20 }, () => world.show(login, PUT)))
    expect(shown.filter((principal) => principal !== ANONYMOUS)).toHaveLength(1)
  })

  it('names the path in front of a proxy that takes its prefix away', async () => {
    await using world = await setUp({ file, pathPrefix: '/depot' })
    const shown = (htu: string) => world.show(world.login(key, { claims: { htm: 'PUT', htu } }), PUT)
    expect(await shown('/depot/npm/a')).toMatchObject({ id: key.fingerprint })
    expect(await shown('/npm/a')).toBe(ANONYMOUS)
  })

  it('for reading is remembered, but never for a change', async () => {
    await using world = await setUp({ file })
    const login = world.login(key)
    const first = await world.show(login)
    expect(first).toMatchObject({ id: key.fingerprint })
    expect(await world.show(login)).toBe(first)
    for (const policy of ['write', 'delete', 'admin', 'account'] as const)
      expect(await world.show(login, { ...PUT, policy })).toBe(ANONYMOUS)
    expect(await world.show(login, { ...PUT, method: 'POST', policy: 'read' })).toBe(first)
  })

  it('ends, and so does the memory of it', async () => {
    await using world = await setUp({ file })
    const login = world.login(key)
    expect(await world.show(login)).toMatchObject({ id: key.fingerprint })
    world.clock.now += (120 + LIMITS.clockSkewSeconds) * 1000
    expect(await world.show(login)).toBe(ANONYMOUS)
  })

  it('goes with its key, and at the end of its key', async () => {
    await using world = await setUp({ file: `${file} expires=2023-11-14T22:13:21Z` })
    const login = world.login(key)
    expect(await world.show(login)).toMatchObject({ id: key.fingerprint })
    world.clock.now += 1000
    expect(await world.show(login)).toBe(ANONYMOUS)
    world.change(file)
    expect(await world.show(login)).toMatchObject({ id: key.fingerprint })
    world.change(`w ${makeLoginKey().line}`)
    expect(await world.show(login)).toBe(ANONYMOUS)
  })

  it('never makes an answer of its own: a bad one is nobody', async () => {
    await using world = await setUp({ file })
    for (const policy of ['public', 'read', 'write', 'account'] as const)
      expect(await world.show(world.login(key, { claims: { aud: 'https://other.example' } }), { ...PUT, policy })).toBe(
        ANONYMOUS,
      )
  })
})

describe('a stored token', () => {
  const key = makeLoginKey()

  it('is looked up again after five seconds, and each of its uses is told', async () => {
    await using world = await setUp({ file: `w ${key.line} owner@test` })
    const caller = keyCaller(1, '*:*:*')
    const owner = { ...caller, principal: { ...caller.principal, key: key.fingerprint, id: key.fingerprint } }
    const { token, info } = await world.stored.create(owner, {
      name: 'a',
      grants: [{ ecosystem: 'npm', action: '*', pattern: '*' }],
    })
    const principal = await world.show(`Bearer ${token}`, PUT)
    expect(principal).toMatchObject({
      id: `token:${info.id}`,
      name: 'a',
      credential: info.id,
      limits: [expect.anything(), expect.anything()],
    })
    expect(await world.show(`Bearer ${token}`, PUT)).toBe(principal)
    expect(world.used).toEqual([info.id])
    await world.stored.revoke(owner, info.id)
    world.clock.now += LIMITS.tokenTrustedMs - 1
    expect(await world.show(`Bearer ${token}`, PUT)).toBe(principal)
    world.clock.now += 1
    expect(await world.show(`Bearer ${token}`, PUT)).toBe(ANONYMOUS)
    expect(world.refusals).toEqual([{ reason: 'stored token: revoked', address: '192.0.2.1', key: info.id, jti: '' }])
  })

  it('is never told, whatever is wrong with it', async () => {
    await using world = await setUp({ file: `w ${key.line} owner@test` })
    const secret = 'S'.repeat(43)
    for (const text of [
      `dpt_${secret}`,
      `dpt_AAAAAAAAAAAA_${secret}_000000`,
      `dpt_AAAAAAAAAAAA_${secret}`,
      `dpt_${secret}_AAAAAAAAAAAA_000000`,
      `dpt__${secret}`,
    ])
      expect(await world.show(`Bearer ${text}`)).toBe(ANONYMOUS)
    expect(world.refusals).toHaveLength(5)
    expect(JSON.stringify(world.refusals)).not.toContain('SSSS')
  })
})

describe('bad logins', () => {
  const key = makeLoginKey('p521')
  const other = makeLoginKey()
  const file = `w ${key.line}\nr ${other.line}`
  const from = (address: string) => ({ address })

  /** Show the same bad one this often, all at once; how many of them were looked at. */
  async function flood(
    world: Awaited<ReturnType<typeof setUp>>,
    count: number,
    address = '192.0.2.1',
  ): Promise<number> {
    const before = world.refusals.length
    const login = world.login(key, { signature: () => Buffer.alloc(132) })
    const shown = await Promise.allSettled(Array.from({ length: count }, () => world.show(login, from(address))))
    const turnedAway = shown.filter(({ status }) => status === 'rejected').length
    const looked = world.refusals.length - before
    expect(looked + turnedAway).toBe(count)
    return looked
  }

  it('of one address cost ten signatures a second, after a burst', async () => {
    await using world = await setUp({ file })
    const most = LIMITS.badLoginsBurst + LIMITS.loginsVerifiedAtOnce
    expect(await flood(world, 2000)).toBeLessThanOrEqual(most)
    let looked = 0
    for (let tick = 0; tick < 50; tick++) {
      world.clock.now += 100
      looked += await flood(world, 20)
    }
    expect(looked).toBeLessThanOrEqual(5 * LIMITS.badLoginsPerSecond + LIMITS.loginsVerifiedAtOnce)
    expect(looked).toBeGreaterThan(0)
  })

  it('hear 429 with a time to come back, for good ones too, but not for those that are remembered or from elsewhere', async () => {
    await using world = await setUp({ file })
    const known = world.login(other)
    expect(await world.show(known)).toMatchObject({ id: other.fingerprint })
    await flood(world, 200)
    await expect(world.show(world.login(other))).rejects.toMatchObject({
      code: 'TOO_MANY_REQUESTS',
      headers: { 'Retry-After': '1' },
    })
    expect(await world.show(known)).toMatchObject({ id: other.fingerprint })
    expect(await world.show(world.login(other), from('192.0.2.2'))).toMatchObject({ id: other.fingerprint })
    expect(await world.show(undefined)).toBe(ANONYMOUS)
    world.clock.now += 1000
    expect(await world.show(world.login(other))).toMatchObject({ id: other.fingerprint })
  })

  it('of one network of IPv6 count together', async () => {
    await using world = await setUp({ file })
    await flood(world, 100, '2001:db8:1:2::1')
    expect(await flood(world, 10, '2001:db8:1:2:ffff::7')).toBe(0)
    expect(await flood(world, 10, '2001:db8:1:3::1')).toBe(10)
  })

  it('cost nothing when no key has to be asked', async () => {
    await using world = await setUp({ file })
    const stranger = makeLoginKey()
    for (let count = 0; count < 200; count++) await world.show(world.login(stranger))
    for (const text of ['Bearer x', 'Basic x', 'Bearer eyJ.a.b', 'Bearer dpt_a']) await world.show(text)
    expect(await world.show(world.login(other))).toMatchObject({ id: other.fingerprint })
  })

  it('are those that were used before, too', async () => {
    await using world = await setUp({ file })
    const login = world.login(key, { claims: { htm: 'PUT', htu: '/npm/a' } })
    await Promise.allSettled(Array.from({ length: 200 }, () => world.show(login, PUT)))
    // How many of them were looked at depends on how soon the database answers; that they count does not.
    await expect(world.show(world.login(other))).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' })
  })

  it('are none that many good ones at once could be taken for', async () => {
    await using world = await setUp({ file })
    const shown = await Promise.all(Array.from({ length: 300 }, () => world.show(world.login(other))))
    expect(new Set(shown.map(({ id }) => id))).toEqual(new Set([other.fingerprint]))
  })
})
