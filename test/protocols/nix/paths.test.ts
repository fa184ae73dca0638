import { describe, expect, it } from 'vitest'

import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { nix32, sha256Hex } from '../../helpers/nar.ts'
import { nixUpload, push, startNixWorld } from '../../helpers/nix-upload.ts'
import type { World } from '../../helpers/world.ts'

interface Page {
  readonly paths: readonly { readonly path: string }[]
  readonly next?: string
}

async function ask(world: World, query: string, mount = '/nix') {
  const answer = await world.fetch(`${mount}/-/paths${query}`)
  expect(answer.headers.get('content-type')).toBe('application/json')
  expect(answer.headers.get('cache-control')).toBe('no-store')
  return { status: answer.status, json: (await answer.json()) as Page & Record<string, unknown> }
}

/** Records of paths that nobody uploaded: a list does not look further. */
async function fill(world: World, names: readonly string[]): Promise<readonly string[]> {
  const paths = names.map((name, index) => `${nix32(Buffer.from(index.toString(16).padStart(40, '0'), 'hex'))}-${name}`)
  const puts = paths.map((baseName) => ({
    kind: 'nix-path',
    key: baseName.slice(0, 32),
    value: JSON.stringify({ baseName, narHash: 'a'.repeat(64), narSizeBytes: 1, references: [] }),
  }))
  await world.depot.commit(MAIN_CACHE, { puts })
  return paths.sort()
}

async function walk(world: World, query: string): Promise<{ readonly pages: number; readonly names: string[] }> {
  const names: string[] = []
  let after = ''
  for (let pages = 1; ; pages++) {
    const { json } = await ask(world, `?${query}${after}`)
    names.push(...json.paths.map(({ path }) => path.slice('/nix/store/'.length)))
    if (json.next === undefined) return { pages, names }
    after = `&after=${json.next}`
  }
}

describe('the list of store paths', () => {
  it.each(['', '/nix'])('tells of each path its facts, at "%s"', async (mount) => {
    await using world = await startNixWorld()
    expect(await ask(world, '', mount)).toEqual({ status: 200, json: { paths: [] } })
    const before = Date.now()
    const upload = await nixUpload('listed', { name: 'listed-1.0' })
    await push(world, upload)
    const { json } = await ask(world, '', mount)
    expect(json).toEqual({
      paths: [
        {
          path: `/nix/store/${upload.storeHash}-listed-1.0`,
          narHash: `sha256:${upload.narHash}`,
          narSize: upload.nar.byteLength,
          references: 0,
          since: expect.any(Number) as number,
        },
      ],
    })
    const { since } = json.paths[0] as unknown as { since: number }
    expect(since).toBeGreaterThanOrEqual(before)
    expect(since).toBeLessThanOrEqual(Date.now())
    expect((await world.fetch(`${mount}/-/paths`, { method: 'HEAD' })).status).toBe(200)
  })

  it('comes page by page, each path once, and ends', async () => {
    await using world = await startNixWorld()
    const paths = await fill(
      world,
      Array.from({ length: 25 }, (_, index) => `p${index}`),
    )
    expect(await walk(world, 'limit=10')).toEqual({ pages: 3, names: paths })
    expect((await walk(world, 'limit=25')).names).toEqual(paths)
    expect(await walk(world, '')).toEqual({ pages: 1, names: paths })
  })

  it('finds what begins so by hash, by name and by both, also far behind the first page', async () => {
    await using world = await startNixWorld()
    const names = Array.from({ length: LIMITS.nixListScanMax + 100 }, (_, index) =>
      index % 700 === 0 ? 'bash-5' : 'x',
    )
    const paths = await fill(world, names)
    const wanted = paths.filter((path) => path.endsWith('bash-5'))
    expect(wanted.length).toBe(3)
    const found = await walk(world, 'prefix=bash')
    expect(found.names).toEqual(wanted)
    expect(found.pages).toBe(2)
    expect((await walk(world, 'prefix=bash&limit=1')).names).toEqual(wanted)
    expect((await walk(world, `prefix=${paths[5]}`)).names).toEqual([paths[5]])
    const hash = paths[7]?.slice(0, 31) ?? ''
    expect((await walk(world, `prefix=${hash}`)).names).toEqual(paths.filter((path) => path.startsWith(hash)))
    expect((await walk(world, 'prefix=nowhere')).names).toEqual([])
  })

  it.each([
    'limit=0',
    `limit=${LIMITS.nixListPageMax + 1}`,
    'limit=-1',
    'limit=x',
    'after=x',
    `prefix=${'x'.repeat(256)}`,
  ])('is refused with %s', async (query) => {
    await using world = await startNixWorld()
    expect((await ask(world, `?${query}`)).status).toBe(400)
    expect(world.bugs).toEqual([])
  })
})

describe('what is told of a store path', () => {
  it('is what its narinfo says, its size here, who needs it, and the names that it came by', async () => {
    await using world = await startNixWorld()
    const one = await nixUpload('needed', { codec: 'xz' })
    const again = await nixUpload('needed', { codec: 'gzip' })
    const top = await nixUpload('needs it', { name: 'top' })
    const reference = `${one.storeHash}-demo`
    await push(world, one)
    await push(world, again)
    await push(world, {
      ...top,
      narinfo: () => top.narinfo({ References: reference, Deriver: `${one.storeHash}-t.drv` }),
    })
    const { json } = await ask(world, `/${one.storeHash}`)
    expect(json).toMatchObject({
      path: `/nix/store/${reference}`,
      references: [],
      referrers: [`/nix/store/${top.storeHash}-top`],
      uploads: [one, again].map(({ fileName }) => `nar/${fileName}`).sort(),
      storedSize: (await world.depot.kv.blob('main', sha256Hex(one.nar)))?.storedBytes,
    })
    expect((await ask(world, `/${top.storeHash}`)).json).toMatchObject({
      references: [`/nix/store/${reference}`],
      referrers: [],
      deriver: `/nix/store/${one.storeHash}-t.drv`,
      signatures: [],
    })
    await world.depot.kv.setBlobState('main', sha256Hex(one.nar), 'quarantined')
    expect((await ask(world, `/${one.storeHash}`)).json).not.toHaveProperty('storedSize')
    expect((await ask(world, `/${'0'.repeat(32)}`)).status).toBe(404)
    expect((await ask(world, '/x')).status).toBe(400)
    expect(world.bugs).toEqual([])
  })
})
