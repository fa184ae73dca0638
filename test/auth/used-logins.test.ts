import { describe, expect, it } from 'vitest'

import { createUsedLogins } from '../../auth/used-logins.ts'
import { SYSTEM_CACHE, type KvStore } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { openCredentials } from '../helpers/credentials.ts'

const login = { fingerprint: 'SHA256:a', jti: 'A'.repeat(22), expiresAt: 1_700_000_120 }

function kept(kv: KvStore) {
  return kv.list(SYSTEM_CACHE.id, 'auth-login', { from: '', to: '~', limit: 10_000 })
}

describe('a login that changes something', () => {
  it('is used up by it, also when it is shown twenty times at once', async () => {
    await using world = await openCredentials()
    const logins = createUsedLogins(world.kv, () => 1_700_000_000)
    const uses = await Promise.all(Array.from({ length: 20 }, () => logins.use(login)))
    expect(uses.filter(Boolean)).toHaveLength(1)
    expect(await logins.use(login)).toBe(false)
  })

  it('is used up for every server of the database', async () => {
    await using world = await openCredentials()
    const servers = [0, 1].map(() => createUsedLogins(world.kv, () => 1_700_000_000))
    const uses = await Promise.all(servers.map((server) => server.use(login)))
    expect(uses.filter((used) => used)).toHaveLength(1)
  })

  it('says nothing of another one: of another key, jti or end', async () => {
    await using world = await openCredentials()
    const logins = createUsedLogins(world.kv, () => 1_700_000_000)
    const others = [{}, { fingerprint: 'SHA256:b' }, { jti: 'B'.repeat(22) }, { expiresAt: login.expiresAt + 1 }]
    for (const other of others) expect(await logins.use({ ...login, ...other })).toBe(true)
    // Nothing of one may become a part of the other.
    expect(await logins.use({ ...login, fingerprint: 'SHA256:', jti: `a${login.jti}` })).toBe(true)
  })

  it('is kept for as long as any server may take it, whose clock may be behind, and no longer', async () => {
    await using world = await openCredentials()
    const mostBehind = login.expiresAt + LIMITS.clockSkewSeconds + LIMITS.loginSecondsMax
    await createUsedLogins(world.kv, () => 1_700_000_000).use(login)
    await createUsedLogins(world.kv, () => mostBehind - 1).use({
      ...login,
      jti: 'B'.repeat(22),
      expiresAt: 1_800_000_000,
    })
    expect(await createUsedLogins(world.kv, () => login.expiresAt).use(login)).toBe(false)
    await createUsedLogins(world.kv, () => mostBehind + 1).use({
      ...login,
      jti: 'C'.repeat(22),
      expiresAt: 1_800_000_000,
    })
    await expect.poll(async () => (await kept(world.kv)).length).toBe(2)
  })

  it('leaves no secret behind, and nothing of itself but its hash', async () => {
    await using world = await openCredentials()
    await createUsedLogins(world.kv, () => 1_700_000_000).use(login)
    const [row] = await kept(world.kv)
    expect(row).toMatchObject({ key: expect.stringMatching(/^001700000120-[0-9a-f]{64}$/), value: '' })
  })

  it('is no login used before when the database fails', async () => {
    await using world = await openCredentials()
    const broken = { list: () => [], commit: () => Promise.reject(new Error('the disk is gone')) }
    await expect(createUsedLogins({ ...world.kv, ...broken }, () => 0).use(login)).rejects.toThrow('the disk is gone')
  })
})
