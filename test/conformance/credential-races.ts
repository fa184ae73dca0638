import { describe, expect, it } from 'vitest'

import { loginAttempts } from '../../auth/login-attempts.ts'
import { storedTokens } from '../../auth/stored-tokens.ts'
import { webLogins } from '../../auth/web-logins.ts'
import { SYSTEM_CACHE, type KvStore } from '../../src/kv-store.ts'
import { callerOf, keyCaller, tokenStore } from '../helpers/credentials.ts'

/** Two servers over one empty database; where a database has one writer only, both may be the same. */
export interface TwoServers extends AsyncDisposable {
  readonly stores: readonly [KvStore, KvStore]
}

const OWNER = keyCaller(1, '*:*:*')
const CLIENT = { address: '192.0.2.7', userAgent: 'npm/11' }
const REQUEST = { name: 'ci', grants: [{ ecosystem: 'npm', action: 'write', pattern: '*' }] } as const
const ROUNDS = 10

/** What holds of tokens and logins whatever two servers do at once. */
export function describeCredentialRaces(driver: string, open: () => Promise<TwoServers>): void {
  describe(`credentials over ${driver}, used by two servers at once`, () => {
    it('hand the token of one login to one of many polls', async () => {
      await using world = await open()
      const logins = world.stores.map((kv) => webLogins({ store: tokenStore(kv), attempts: loginAttempts() }))
      const [first] = logins
      for (let round = 1; round <= ROUNDS; round++) {
        const { code, secret } = (await first?.start(CLIENT)) ?? { code: '', secret: '' }
        await first?.approve(OWNER, code)
        const polls = [...logins, ...logins, ...logins].map((each) => each.collect(CLIENT, secret))
        const results = await Promise.allSettled(polls)
        const tokens = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
        expect(tokens).toEqual([expect.stringMatching(/^dpt_/)])
        for (const result of results)
          if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'NOT_FOUND' })
        const kept = await world.stores[0].list(SYSTEM_CACHE.id, 'auth-token', { from: '', limit: 100 })
        expect(kept).toHaveLength(round)
      }
    })

    it('let one of two people approve a login', async () => {
      await using world = await open()
      const logins = world.stores.map((kv) => webLogins({ store: tokenStore(kv), attempts: loginAttempts() }))
      for (let round = 0; round < ROUNDS; round++) {
        const { code } = (await logins[0]?.start(CLIENT)) ?? { code: '' }
        const callers = [OWNER, keyCaller(2, 'npm:*:*')]
        const results = await Promise.allSettled(
          callers.flatMap((caller, index) => logins[index]?.approve(caller, code) ?? []),
        )
        expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
      }
    })

    it('keep a token revoked, however often it is used and revoked meanwhile', async () => {
      await using world = await open()
      const [one, other] = world.stores.map((kv) => storedTokens({ store: tokenStore(kv) }))
      if (one === undefined || other === undefined) throw new Error('no servers')
      for (let round = 0; round < ROUNDS; round++) {
        const { token, info } = await one.create(OWNER, REQUEST)
        await Promise.all([
          one.authenticate(token),
          one.revoke(OWNER, info.id),
          other.revoke(OWNER, info.id),
          other.authenticate(token),
        ])
        other.used(info.id)
        expect(await one.authenticate(token)).toBe('revoked')
        expect(await other.authenticate(token)).toBe('revoked')
      }
    })

    it('stop a token that was made while its maker was revoked', async () => {
      await using world = await open()
      const [one, other] = world.stores.map((kv) => storedTokens({ store: tokenStore(kv) }))
      if (one === undefined || other === undefined) throw new Error('no servers')
      for (let round = 0; round < ROUNDS; round++) {
        const { token, info } = await one.create(OWNER, REQUEST)
        const maker = await one.authenticate(token)
        if (typeof maker === 'string') throw new Error(maker)
        const made = other.create(callerOf(maker), REQUEST)
        const [child] = await Promise.allSettled([made, one.revoke(OWNER, info.id)])
        if (child.status === 'fulfilled') expect(await other.authenticate(child.value.token)).toBe('ancestor gone')
        else expect(child.reason).toMatchObject({ code: 'FORBIDDEN' })
      }
    })

    it('never make a fourth generation', async () => {
      await using world = await open()
      const [one, other] = world.stores.map((kv) => storedTokens({ store: tokenStore(kv) }))
      if (one === undefined || other === undefined) throw new Error('no servers')
      let makers = [OWNER]
      const generations: number[] = []
      for (let generation = 0; generation < 4; generation++) {
        const asked = makers.flatMap((maker) => [one.create(maker, REQUEST), other.create(maker, REQUEST)])
        const made = (await Promise.allSettled(asked)).flatMap((result) =>
          result.status === 'fulfilled' ? [result.value.token] : [],
        )
        generations.push(made.length)
        const principals = await Promise.all(made.map((token) => other.authenticate(token)))
        makers = principals.flatMap((principal) => (typeof principal === 'string' ? [] : [callerOf(principal)]))
      }
      expect(generations).toEqual([2, 4, 8, 0])
    })

    it('are audited whole: one line for each token that was made or revoked', async () => {
      await using world = await open()
      const servers = world.stores.map((kv) => storedTokens({ store: tokenStore(kv) }))
      const made = await Promise.all([...servers, ...servers].map((server) => server.create(OWNER, REQUEST)))
      await Promise.all(made.flatMap(({ info }) => servers.map((server) => server.revoke(OWNER, info.id))))
      const lines = await world.stores[0].audit(0, 100)
      expect(lines.map(({ action }) => action).toSorted()).toEqual(
        ['token:create', 'token:revoke'].flatMap((action) => Array.from({ length: made.length }, () => action)),
      )
    })
  })
}
