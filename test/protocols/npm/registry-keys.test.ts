import { describe, expect, it } from 'vitest'

import { generateSigningKey, parseSigningKey, type PublicKeyEntry } from '../../../protocols/npm/signing.ts'
import { LIMITS } from '../../../src/limits.ts'
import { json, startNpmWorld } from '../../helpers/npm-world.ts'
import { startWorld, type World } from '../../helpers/world.ts'

const AT = '/npm/-/npm/v1/keys'

function newKey(more: object = {}): PublicKeyEntry {
  return { ...parseSigningKey(generateSigningKey()).entry, ...more }
}

async function putKeys(world: World, keys: unknown): Promise<{ status: number; text: string }> {
  const body = typeof keys === 'string' ? keys : JSON.stringify({ keys })
  const response = await world.fetch(AT, { method: 'PUT', body })
  return { status: response.status, text: await response.text() }
}

async function keysOf(world: World): Promise<PublicKeyEntry[]> {
  return (await json(await world.fetch(AT)))['keys'] as PublicKeyEntry[]
}

describe('keys of other registries that are brought in', () => {
  it('stand behind our own with all that was said of them, and may get a date of expiry', async () => {
    await using world = await startWorld()
    const [own] = await keysOf(world)
    const theirs = newKey({ note: 'of npmjs' })
    expect(await putKeys(world, [theirs])).toMatchObject({ status: 200 })
    expect(await keysOf(world)).toEqual([own, theirs])
    const expired = { ...theirs, expires: '2025-01-29T00:00:00.000Z' }
    expect(await putKeys(world, [expired])).toMatchObject({ status: 200 })
    expect(await putKeys(world, [expired])).toMatchObject({ status: 200 })
    expect(await keysOf(world)).toEqual([own, expired])
    const audit = (await world.depot.kv.audit(0, 100)).map(({ action, resource }) => [action, resource])
    expect(audit).toEqual(Array(2).fill(['npm:admin', `-/npm/v1/keys/${theirs.keyid}`]))
    expect(world.bugs).toEqual([])
  })

  it('can be taken away again', async () => {
    await using world = await startNpmWorld()
    const theirs = newKey()
    await putKeys(world, [theirs])
    const one = `${AT}/${encodeURIComponent(theirs.keyid)}`
    expect((await world.fetch(one, { method: 'DELETE' })).status).toBe(200)
    expect((await world.fetch(one, { method: 'DELETE' })).status).toBe(404)
    expect((await world.fetch(AT)).status).toBe(404)
    const audit = (await world.depot.kv.audit(0, 100)).map(({ action, resource }) => [action, resource])
    const line = `-/npm/v1/keys/${theirs.keyid}`
    expect(audit).toEqual([
      ['npm:admin', line],
      ['npm:delete', line],
    ])
  })

  it('take no id from another key, ours or theirs', async () => {
    await using world = await startWorld()
    const [own] = await keysOf(world)
    const theirs = newKey()
    await putKeys(world, [theirs])
    for (const keyid of [own?.keyid, theirs.keyid])
      expect(await putKeys(world, [newKey(), newKey({ keyid })])).toMatchObject({ status: 409 })
    expect(await putKeys(world, [own])).toMatchObject({ status: 200 })
    expect(await keysOf(world)).toEqual([own, theirs])
  })

  it.each<[string, () => unknown]>([
    ['no JSON', () => '{'],
    ['no list', () => '{}'],
    ['no key', () => [{ ...newKey(), key: 'AAAA' }]],
    ['no id', () => [{ ...newKey(), keyid: 'with spaces' }]],
    ['too long an id', () => [{ ...newKey(), keyid: 'x'.repeat(201) }]],
    ['too many', () => Array.from({ length: LIMITS.npmRegistryKeysMax + 1 }, () => newKey())],
    ['a prototype', () => `{"keys":[${JSON.stringify(newKey()).replace('{', '{"__proto__":{},')}]}`],
  ])('are refused: %s', async (_what, make) => {
    await using world = await startNpmWorld()
    expect(await putKeys(world, make())).toMatchObject({ status: 400 })
    expect((await world.fetch(AT)).status).toBe(404)
    expect(world.bugs).toEqual([])
  })

  it('are bounded in all', async () => {
    await using world = await startNpmWorld()
    const many = (count: number): PublicKeyEntry[] => Array.from({ length: count }, () => newKey())
    expect(await putKeys(world, many(LIMITS.npmRegistryKeysMax))).toMatchObject({ status: 200 })
    expect(await putKeys(world, many(1))).toMatchObject({ status: 413 })
  })
})
