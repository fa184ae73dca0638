import { describe, expect, it } from 'vitest'

import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { REFERRER_KIND } from '../../../protocols/nix/records.ts'
import { nixPaths, storeHashes } from '../../helpers/many-records.ts'
import { nixUpload, push, put, startRuledWorld } from '../../helpers/nix-upload.ts'
import type { World } from '../../helpers/world.ts'

/** Paths as they lie in the database after that many uploads, with as many references each. */
async function store(world: World, paths: readonly string[], references: readonly string[]): Promise<void> {
  for (const puts of nixPaths(paths, references)) await world.depot.commit(MAIN_CACHE, { puts })
}

describe('paths with very many references', () => {
  it('are taken when all of those are there, and not when one is missing', async () => {
    await using world = await startRuledWorld({ requireReferences: true })
    const needed = storeHashes('needed', 3000)
    await store(world, needed, storeHashes('below', 150))
    const upload = await nixUpload('of many')
    const references = needed.map((hash) => `${hash}-stored`).join(' ')
    await put(world, `/nix/nar/${upload.fileName}`, upload.body)
    const said = (more: string) =>
      put(world, `/nix/${upload.storeHash}.narinfo`, upload.narinfo({ References: references + more }))
    const [missing = ''] = storeHashes('missing', 1)
    expect(await said(` ${missing}-stored`)).toMatchObject({
      status: 422,
      text: expect.stringContaining(missing) as unknown,
    })
    expect((await said('')).status).toBe(201)
  })

  it('are listed in pages that are short rather than large, and all of them are listed', async () => {
    await using world = await startRuledWorld({})
    const stored = storeHashes('large', 60)
    await store(world, stored, storeHashes('below', 14_000))
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
    const stored = storeHashes('large', Math.ceil(LIMITS.nixPlannedReferencesMax / 14_000) + 1)
    await store(world, stored, storeHashes('below', 14_000))
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
    const [hub] = storeHashes('needed by many', 1)
    const stored = storeHashes('needs', LIMITS.nixReferrersToldMax + 1)
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
      puts: storeHashes('small', LIMITS.nixPlannedPathsMax).map((hash) => ({
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
