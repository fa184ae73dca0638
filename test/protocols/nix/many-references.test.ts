import { describe, expect, it } from 'vitest'

import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { PATH_KIND, REFERRER_KIND } from '../../../protocols/nix/records.ts'
import { sha256Hex, sha256Nix32 } from '../../helpers/nar.ts'
import { nixUpload, push, put, startRuledWorld } from '../../helpers/nix-upload.ts'
import type { World } from '../../helpers/world.ts'

const hashOf = (name: string): string => sha256Nix32(Buffer.from(name)).slice(0, 32)
const hashes = (what: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => hashOf(`${what} ${index}`)).sort()

/** Paths as they lie in the database after that many uploads, with as many references each. */
async function store(world: World, paths: readonly string[], references: readonly string[]): Promise<void> {
  const entry = {
    narHash: sha256Hex(Buffer.from('')),
    narSizeBytes: 1,
    references: references.map((hash) => `${hash}-needed`),
    signatures: [],
    since: 1,
  }
  for (let at = 0; at < paths.length; at += 50)
    await world.depot.commit(MAIN_CACHE, {
      puts: paths.slice(at, at + 50).map((hash) => ({
        kind: PATH_KIND,
        key: hash,
        value: JSON.stringify({ ...entry, baseName: `${hash}-stored` }),
      })),
    })
}

/** How much of the time of some work went by without a turn for anybody else, at the longest. */
async function longestHold(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  let [last, longest, over] = [start, 0, false]
  const tick = (): void => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (!over) setImmediate(tick)
  }
  setImmediate(tick)
  await work()
  over = true
  return longest / (performance.now() - start)
}

describe('paths with very many references', () => {
  it('are checked without keeping everybody else waiting', async () => {
    await using world = await startRuledWorld({ requireReferences: true })
    const needed = hashes('needed', 3000)
    await store(world, needed, hashes('below', 150))
    const upload = await nixUpload('of many')
    const references = needed.map((hash) => `${hash}-stored`).join(' ')
    await put(world, `/nix/nar/${upload.fileName}`, upload.body)
    const held = await longestHold(async () => {
      const said = await put(world, `/nix/${upload.storeHash}.narinfo`, upload.narinfo({ References: references }))
      expect(said.status).toBe(201)
    })
    expect(held).toBeLessThan(0.4)
  })

  it('are listed in pages that are short rather than large, and all of them are listed', async () => {
    await using world = await startRuledWorld({})
    const stored = hashes('large', 60)
    await store(world, stored, hashes('below', 14_000))
    const found: string[] = []
    let [pages, after] = [0, '']
    do {
      const answer = await world.fetch(`/nix/-/paths?limit=1000${after}`)
      const page = (await answer.json()) as { paths: { path: string; references: number }[]; next?: string }
      const characters = page.paths.reduce((sum, { references }) => sum + references * 40, 0)
      expect(characters).toBeLessThan(LIMITS.nixListCharactersMax + LIMITS.narinfoBytesMax)
      found.push(...page.paths.map(({ path }) => path.slice('/nix/store/'.length, '/nix/store/'.length + 32)))
      after = page.next === undefined ? '' : `&after=${page.next}`
      pages++
    } while (after !== '')
    expect(found).toEqual(stored)
    expect(pages).toBeGreaterThan(1)
  })

  it('make a plan of deletion too large before it fills the memory', async () => {
    await using world = await startRuledWorld({})
    const hub = await nixUpload('needed by all', { name: 'hub' })
    await push(world, hub)
    const stored = hashes('large', Math.ceil(LIMITS.nixPlannedReferencesMax / 14_000) + 1)
    await store(world, stored, hashes('below', 14_000))
    await world.depot.commit(MAIN_CACHE, {
      puts: stored.map((hash) => ({ kind: REFERRER_KIND, key: `${hub.storeHash}/${hash}`, value: '{}' })),
    })
    const answer = await world.fetch(`/nix/-/paths/${hub.storeHash}?also=referrers`, { method: 'DELETE' })
    expect(answer.status).toBe(413)
    expect(await answer.text()).toContain('delete some of them first')
    expect((await world.fetch(`/nix/${hub.storeHash}.narinfo`)).status).toBe(200)
  })

  it('or referrers are told of with the first of those, and that there are more', async () => {
    await using world = await startRuledWorld({})
    const [hub] = hashes('needed by many', 1)
    const stored = hashes('needs', LIMITS.nixReferrersToldMax + 1)
    await store(world, [hub ?? ''], [])
    await store(world, stored, [hub ?? ''])
    const told = async (): Promise<{ referrers: string[]; moreReferrers?: true }> =>
      (await (await world.fetch(`/nix/-/paths/${hub}`)).json()) as { referrers: string[]; moreReferrers?: true }
    const names = stored.map((hash) => ({ kind: REFERRER_KIND, key: `${hub}/${hash}` }))
    await world.depot.commit(MAIN_CACHE, { puts: names.map((name) => ({ ...name, value: '{}' })) })
    const first = stored.slice(0, LIMITS.nixReferrersToldMax).map((hash) => `/nix/store/${hash}-stored`)
    expect(await told()).toMatchObject({ referrers: first, moreReferrers: true })
    await world.depot.commit(MAIN_CACHE, { deletes: names.slice(-1) })
    const { referrers, moreReferrers } = await told()
    expect(referrers).toEqual(first)
    expect(moreReferrers).toBeUndefined()
  })

  it('make no plan of more paths than one may name', async () => {
    await using world = await startRuledWorld({})
    const hub = await nixUpload('needed by very many', { name: 'hub' })
    await push(world, hub)
    await world.depot.commit(MAIN_CACHE, {
      puts: hashes('small', LIMITS.nixPlannedPathsMax).map((hash) => ({
        kind: REFERRER_KIND,
        key: `${hub.storeHash}/${hash}`,
        value: '{}',
      })),
    })
    const answer = await world.fetch(`/nix/-/paths/${hub.storeHash}?also=referrers`, { method: 'DELETE' })
    expect(answer.status).toBe(413)
    expect(await answer.text()).toContain(`more than ${LIMITS.nixPlannedPathsMax} paths`)
  })
})
