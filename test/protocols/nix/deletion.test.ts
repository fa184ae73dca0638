import { describe, expect, it } from 'vitest'

import { auditRows } from '../../../src/audit-log.ts'
import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { nixProtocol } from '../../../protocols/nix/index.ts'
import { indexReferrers } from '../../../protocols/nix/referrers.ts'
import { LIMITS } from '../../../src/limits.ts'
import { describeWith } from '../../helpers/have.ts'
import { sha256Hex } from '../../helpers/nar.ts'
import { nixUpload, push, put, startNixWorld, startRuledWorld, type NixUpload } from '../../helpers/nix-upload.ts'
import { createDatabase } from '../../helpers/postgres-database.ts'
import { startWorld, type World } from '../../helpers/world.ts'

/** A path called `name` that refers to others, with a content of its own. */
async function referring(name: string, ...to: readonly NixUpload[]): Promise<NixUpload> {
  const plain = await nixUpload(`content of ${name}`, { name })
  const references = to.map((other) => baseNameOf(other)).join(' ')
  return { ...plain, narinfo: (changes = {}) => plain.narinfo({ References: references, ...changes }) }
}

function baseNameOf(upload: NixUpload): string {
  return /StorePath: \/nix\/store\/(?<name>\S+)/.exec(upload.narinfo())?.groups?.['name'] ?? ''
}

/** libc <- bash <- app, libc <- tool: stored, in this order. */
async function closure(world: World) {
  const libc = await referring('libc')
  const bash = await referring('bash', libc)
  const app = await referring('app', bash, libc)
  const tool = await referring('tool', libc)
  for (const upload of [libc, bash, app, tool]) await push(world, upload)
  return { libc, bash, app, tool }
}

interface Said {
  readonly status: number
  readonly error?: string
  readonly deleted?: boolean
  /** Names without their hashes. */
  readonly names: readonly string[]
}

async function send(world: World, method: string, path: string, body?: object): Promise<Said> {
  const answer = await world.fetch(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  expect(answer.headers.get('content-type')).toBe('application/json')
  const said = (await answer.json()) as { error?: string; deleted?: boolean; paths?: { path: string }[] }
  const names = (said.paths ?? []).map(({ path }) => path.slice('/nix/store/'.length + 33))
  return { status: answer.status, ...said, names }
}

const remove = (world: World, { storeHash }: NixUpload, query = ''): Promise<Said> =>
  send(world, 'DELETE', `/nix/-/paths/${storeHash}${query}`)

const removeAll = (world: World, paths: readonly NixUpload[], more: object = {}): Promise<Said> =>
  send(world, 'POST', '/-/deletions', { paths: paths.map(({ storeHash }) => storeHash), ...more })

async function statuses(world: World, upload: NixUpload): Promise<Record<string, number>> {
  const paths = {
    narinfo: `${upload.storeHash}.narinfo`,
    ls: `${upload.storeHash}.ls`,
    upload: `nar/${upload.fileName}`,
    nar: `nar/${upload.narHash}.nar`,
    zst: `nar/${upload.narHash}.nar.zst`,
    info: `-/paths/${upload.storeHash}`,
  }
  const found = Object.entries(paths).map(async ([name, path]) => {
    const answers = await Promise.all(['GET', 'HEAD'].map((method) => world.fetch(`/nix/${path}`, { method })))
    for (const answer of answers) await answer.arrayBuffer()
    expect(answers[0]?.status).toBe(answers[1]?.status)
    return [name, answers[0]?.status ?? 0] as const
  })
  return Object.fromEntries(await Promise.all(found))
}

const all = (status: number) => ({
  narinfo: status,
  ls: status,
  upload: status,
  nar: status,
  zst: status,
  info: status,
})

describe('deleting a store path', () => {
  it('leaves nothing of it to be had, also what was rendered, and a later push brings all of it back', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('to go', { codec: 'xz' })
    const id = sha256Hex(Buffer.from('debug')).slice(0, 40)
    const member = `lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`
    await push(world, upload)
    await put(world, `/nix/debuginfo/${id}`, JSON.stringify({ archive: `../nar/${upload.fileName}`, member }))
    expect(await statuses(world, upload)).toEqual(all(200))
    expect((await world.fetch(`/nix/debuginfo/${id}`)).status).toBe(200)

    expect(await remove(world, upload)).toMatchObject({ status: 200, deleted: true, names: ['demo'] })
    expect(await statuses(world, upload)).toEqual(all(404))
    expect((await world.fetch(`/nix/debuginfo/${id}`)).status).toBe(404)
    expect(await world.depot.kv.references(undefined, 10)).toEqual([])
    // Its bytes are for a collector to take.
    expect(await world.depot.kv.blob('main', sha256Hex(upload.nar))).toMatchObject({ state: 'live' })
    expect((await put(world, `/nix/${upload.storeHash}.narinfo`, upload.narinfo())).status).toBe(422)

    await push(world, upload)
    expect(await statuses(world, upload)).toEqual(all(200))
    expect(world.bugs).toEqual([])
  })

  it('says what is not there, and deletes nothing of a request that names such a path', async () => {
    await using world = await startNixWorld()
    const [here, other] = [await nixUpload('here'), await nixUpload('other')]
    await push(world, here)
    const missing = { status: 404, error: `this cache does not hold ${other.storeHash}` }
    expect(await remove(world, other)).toMatchObject(missing)
    expect(await removeAll(world, [here, other])).toMatchObject(missing)
    expect(await statuses(world, here)).toEqual(all(200))
  })

  it('is refused while other paths need it, by name, unless they go too', async () => {
    await using world = await startNixWorld()
    const { libc, bash, app, tool } = await closure(world)
    const refused = await remove(world, libc)
    expect(refused.status).toBe(409)
    for (const needed of [bash, app, tool]) expect(refused.error).toContain(baseNameOf(needed))
    const part = await removeAll(world, [libc, bash, app])
    expect(part).toMatchObject({ status: 409 })
    expect(part.error).toContain(baseNameOf(tool))
    expect(part.error).not.toContain(baseNameOf(bash))
    for (const upload of [libc, bash, app, tool]) expect(await statuses(world, upload)).toEqual(all(200))
    expect(await removeAll(world, [libc, bash, app, tool])).toMatchObject({ status: 200, deleted: true })
    expect(await world.depot.kv.list(1, 'nix-referrer', { from: '', limit: 10 })).toEqual([])
  })

  it('takes along everything that needs it where that is asked, referrers first', async () => {
    await using world = await startNixWorld()
    const { libc, bash, app, tool } = await closure(world)
    const plan = await removeAll(world, [bash], { also: 'referrers', dryRun: true })
    expect(plan).toMatchObject({ status: 200, deleted: false, names: ['app', 'bash'] })
    expect(await statuses(world, app)).toEqual(all(200))
    expect(await remove(world, bash, '?also=referrers')).toMatchObject({ deleted: true, names: ['app', 'bash'] })
    for (const upload of [libc, tool]) expect(await statuses(world, upload)).toEqual(all(200))
    expect((await remove(world, libc, '?also=referrers')).names).toEqual(['tool', 'libc'])
  })

  it('takes along what only it needs where that is asked', async () => {
    await using world = await startNixWorld()
    const { libc, tool, app } = await closure(world)
    expect((await remove(world, app, '?also=closure')).names).toEqual(['app', 'bash'])
    for (const upload of [libc, tool]) expect(await statuses(world, upload)).toEqual(all(200))
    expect((await removeAll(world, [tool], { also: 'closure' })).names).toEqual(['tool', 'libc'])
  })

  it('lets be what it needs only by way of something that stays', async () => {
    await using world = await startNixWorld()
    const libc = await referring('libc')
    const bash = await referring('bash', libc)
    const [app, shell] = [await referring('app', bash), await referring('shell', bash)]
    for (const upload of [libc, bash, app, shell]) await push(world, upload)
    expect(await remove(world, app, '?also=closure')).toMatchObject({ status: 200, names: ['app'] })
    for (const upload of [libc, bash, shell]) expect(await statuses(world, upload)).toEqual(all(200))
  })

  it('lets be what another path shares: the archive, under every name that it came by', async () => {
    await using world = await startNixWorld()
    const one = await nixUpload('shared', { name: 'one' })
    const two = await nixUpload('shared', { name: 'two', codec: 'xz' })
    for (const upload of [one, two]) await push(world, upload)
    await remove(world, one)
    expect(await statuses(world, one)).toEqual({ ...all(200), narinfo: 404, ls: 404, info: 404 })
    expect(await statuses(world, two)).toEqual(all(200))
    await remove(world, two)
    for (const upload of [one, two]) expect(await statuses(world, upload)).toEqual(all(404))
  })

  it('is no matter of what refers to itself', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('narcissus')
    const narinfo = upload.narinfo({ References: `${upload.storeHash}-demo` })
    await push(world, { ...upload, narinfo: () => narinfo })
    expect((await remove(world, upload)).status).toBe(200)
  })

  it('needs both of two that refer to each other', async () => {
    await using world = await startRuledWorld({ requireReferences: false })
    const b = await nixUpload('content of b', { name: 'b' })
    const a = await referring('a', b)
    await push(world, a)
    await push(world, { ...b, narinfo: () => b.narinfo({ References: baseNameOf(a) }) })
    expect((await remove(world, a)).status).toBe(409)
    expect((await remove(world, b)).status).toBe(409)
    expect((await remove(world, a, '?also=closure')).names.toSorted()).toEqual(['a', 'b'])
  })

  it('is a line of the audit log for every path, in the same change', async () => {
    await using world = await startNixWorld()
    const { libc, tool } = await closure(world)
    await remove(world, libc)
    await removeAll(world, [tool])
    const lines = []
    for await (const { action, resource, digest } of auditRows(world.depot.kv))
      if (action === 'nix:delete') lines.push({ resource, digest })
    expect(lines).toEqual([{ resource: baseNameOf(tool), digest: sha256Hex(tool.nar) }])
  })

  it('knows the references of paths that were stored before they were noted', async () => {
    await using world = await startNixWorld()
    const { libc, bash, app, tool } = await closure(world)
    for await (const { key } of world.depot.all(MAIN_CACHE, 'nix-referrer'))
      await world.depot.commit(MAIN_CACHE, { deletes: [{ kind: 'nix-referrer', key }] })
    for (const { storeHash: key, nar } of [libc, bash, app]) {
      const { value = '' } = (await world.depot.get(MAIN_CACHE, 'nix-path', key)) ?? {}
      const put = { kind: 'nix-path', key, value: value.replace(/,"since":\d+/, ''), refs: [sha256Hex(nar)] }
      await world.depot.commit(MAIN_CACHE, { puts: [put] })
    }
    // One that came since has its own.
    await remove(world, tool)
    await push(world, tool)
    expect((await remove(world, libc)).error).toContain(baseNameOf(tool))
    expect((await remove(world, libc, '?also=referrers')).names.toSorted()).toEqual(['app', 'bash', 'libc', 'tool'])
    for (const upload of [libc, bash, app]) expect(await statuses(world, upload)).toEqual(all(404))
    expect(await world.depot.kv.list(1, 'nix-referrer', { from: '', limit: 10 })).toEqual([])
  })

  it('notes no references of a path that is deleted while those of old paths are noted', async () => {
    await using world = await startNixWorld()
    const { bash, app } = await closure(world)
    const old = [bash, app].map(({ storeHash }) => world.depot.kv.get(1, 'nix-path', storeHash))
    const records = (await Promise.all(old)).flatMap((record) =>
      record === undefined ? [] : [{ ...record, value: record.value.replace(/,"since":\d+/, '') }],
    )
    await remove(world, app)
    await world.depot.commit(MAIN_CACHE, {
      deletes: [
        { kind: 'nixindex', key: 'referrers' },
        ...(await world.depot.kv.list(1, 'nix-referrer', { from: '', limit: 10 })).map(({ key }) => ({
          kind: 'nix-referrer',
          key,
        })),
      ],
    })
    // Read before the deletion, as whoever goes through them all may have.
    await indexReferrers({ ...world.depot, all: () => each(records) }, MAIN_CACHE)
    const noted = await world.depot.kv.list(1, 'nix-referrer', { from: '', limit: 10 })
    expect(noted.map(({ key }) => key.slice(33))).toEqual([bash.storeHash])
  })

  it.each([
    [{}, 400],
    [{ paths: [] }, 400],
    [{ paths: ['../x'] }, 400],
    [{ paths: ['e'.repeat(32)] }, 400],
    [{ paths: ['0'.repeat(32)], also: 'everything' }, 400],
    [{ paths: ['0'.repeat(32)], more: 1 }, 400],
    [{ paths: Array.from({ length: LIMITS.nixDeletedPathsMax + 1 }, () => '0'.repeat(32)) }, 413],
    [{ paths: 'x'.repeat(LIMITS.nixPlanBodyBytesMax) }, 413],
  ])('is refused when it is not asked for in the right form', async (body, status) => {
    await using world = await startNixWorld()
    expect((await send(world, 'POST', '/nix/-/deletions', body)).status).toBe(status)
    expect((await send(world, 'DELETE', '/nix/-/paths/x')).status).toBe(400)
    expect(world.bugs).toEqual([])
  })
})

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

/** Half of the rounds each: the narinfo comes first, or the deletion. */
async function race(world: World): Promise<void> {
  for (let round = 0; round < 20; round++) {
    const needed = await referring(`needed${round}`)
    const needs = await referring(`needs${round}`, needed)
    await push(world, needed)
    await put(world, `/nix/nar/${needs.fileName}`, needs.body)
    const attempts = [() => put(world, `/nix/${needs.storeHash}.narinfo`, needs.narinfo()), () => remove(world, needed)]
    if (round % 2 === 1) attempts.reverse()
    const codes = await Promise.all(attempts.map(async (attempt) => (await attempt()).status))
    if (round % 2 === 1) codes.reverse()
    expect([[201, 409].join(), [422, 200].join()]).toContain(codes.join())
    expect((await statuses(world, needed))['narinfo']).toBe(codes[0] === 201 ? 200 : 404)
    expect((await statuses(world, needs))['narinfo']).toBe(codes[0] === 201 ? 200 : 404)
  }
  expect(world.bugs).toEqual([])
}

describe('deleting what another path comes to need meanwhile', () => {
  it('lets one of the two happen, over SQLite', async () => {
    await using world = await startNixWorld()
    await race(world)
  })
})

describeWith('postgres', 'deleting over PostgreSQL', () => {
  it('lets one of the two happen', async () => {
    await using database = await createDatabase()
    const protocols = [nixProtocol({ signingKeys: [] })]
    await using world = await startWorld({ databaseUrl: database.url, protocols })
    await race(world)
  })
})
