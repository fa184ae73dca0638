import { expect, it } from 'vitest'

import { python } from '../../../protocols/python/index.ts'
import type { Depot } from '../../../src/depot.ts'
import type { Protocol } from '../../../src/protocol.ts'
import { describeWith } from '../../helpers/have.ts'
import { createDatabase } from '../../helpers/postgres-database.ts'
import { postForm, uploadForm } from '../../helpers/python-upload.ts'
import { buildWheel } from '../../helpers/wheel.ts'
import { startWorld, type World } from '../../helpers/world.ts'

const deleteAll = (world: World): Promise<Response> =>
  world.fetch('/python/-/projects/foo/deletions', { method: 'POST', body: JSON.stringify({ all: true }) })

const upload = (world: World, version: string): Promise<Response> =>
  postForm(world.url, uploadForm(buildWheel({ name: 'foo', version })))

/** How many files the project has, once it is shown that every list agrees on it. */
async function filesOf(world: World): Promise<number> {
  const { files } = (await (await world.fetch('/python/-/projects/foo')).json()) as { files: unknown[] }
  const page = await world.fetch('/python/simple/foo/', { headers: { Accept: 'application/vnd.pypi.simple.v1+json' } })
  expect(page.status).toBe(files.length > 0 ? 200 : 404)
  if (page.ok) expect(((await page.json()) as { files: unknown[] }).files).toHaveLength(files.length)
  expect((await (await world.fetch('/python/simple/')).text()).includes('"foo/"')).toBe(files.length > 0)
  return files.length
}

/** Delete everything at one server while another one, or the same, takes uploads; again and again. */
async function race(deleting: World, taking: World): Promise<void> {
  expect((await upload(taking, '1.0')).status).toBe(200)
  for (let round = 2; round < 12; round++) {
    const [deletion, ...uploads] = await Promise.all([
      deleteAll(deleting),
      upload(taking, `${round}.0`),
      upload(taking, `${round}.1`),
    ])
    expect([200, 404]).toContain(deletion.status)
    expect(uploads.map(({ status }) => status)).toEqual([200, 200])
    for (const world of [deleting, taking]) await filesOf(world)
  }
  for (const { bugs } of [deleting, taking]) expect(bugs).toEqual([])
}

const NAME = 'a deletion races with uploads, and a project is listed exactly while it has files'

it(NAME, async () => {
  await using world = await startWorld({ protocols: [python] })
  await race(world, world)
})

/** A Python whose first commit with such a record waits until it may go on, as one at a slow database does. */
function withHeld(text: string) {
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
  const { promise: free, resolve: goOn } = Promise.withResolvers<void>()
  const slow = (depot: Depot): Depot => ({
    ...depot,
    async commit(cache, change) {
      if (change.puts?.some(({ kind, value }) => kind === 'python-file' && value.includes(text)) === true) {
        arrive()
        await free
      }
      return depot.commit(cache, change)
    },
  })
  const protocol: Protocol = { ...python, routes: (depot) => python.routes(slow(depot)) }
  return { protocol, arrived, goOn }
}

it('an upload that was on its way when all else was deleted brings the project back', async () => {
  const { protocol, arrived, goOn } = withHeld('foo-2.0')
  await using world = await startWorld({ protocols: [protocol] })
  await upload(world, '1.0')
  const late = upload(world, '2.0')
  await arrived
  expect((await deleteAll(world)).status).toBe(200)
  goOn()
  expect((await late).status).toBe(200)
  expect(await filesOf(world)).toBe(1)
})

it('a deletion of all takes along what came while it was on its way', async () => {
  const { protocol, arrived, goOn } = withHeld('"deleted"')
  await using world = await startWorld({ protocols: [protocol] })
  await upload(world, '1.0')
  const late = deleteAll(world)
  await arrived
  expect((await upload(world, '2.0')).status).toBe(200)
  goOn()
  expect((await late).status).toBe(200)
  expect(await filesOf(world)).toBe(0)
})

describeWith('postgres', 'two servers over one PostgreSQL', () => {
  it(NAME, async () => {
    await using database = await createDatabase()
    await using one = await startWorld({ protocols: [python], databaseUrl: database.url })
    await using other = await startWorld({ protocols: [python], databaseUrl: database.url })
    await race(one, other)
  })
})
