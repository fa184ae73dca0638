import { expect, it } from 'vitest'

import { python } from '../../../protocols/python/index.ts'
import { describeWith } from '../../helpers/have.ts'
import { createDatabase } from '../../helpers/postgres-database.ts'
import { postForm, uploadForm } from '../../helpers/python-upload.ts'
import { buildWheel } from '../../helpers/wheel.ts'
import { startWorld, type World } from '../../helpers/world.ts'

/** Delete everything at one server while another one, or the same, takes uploads; again and again. */
async function race(deleting: World, taking: World): Promise<void> {
  const upload = async (version: string): Promise<void> => {
    expect((await postForm(taking.url, uploadForm(buildWheel({ name: 'foo', version })))).status).toBe(200)
  }
  await upload('1.0')
  for (let round = 2; round < 12; round++) {
    const body = JSON.stringify({ all: true })
    const [deletion] = await Promise.all([
      deleting.fetch('/python/-/projects/foo/deletions', { method: 'POST', body }),
      upload(`${round}.0`),
      upload(`${round}.1`),
    ])
    expect([200, 404]).toContain(deletion.status)
    for (const world of [deleting, taking]) {
      const { files } = (await (await world.fetch('/python/-/projects/foo')).json()) as { files: unknown[] }
      const page = await world.fetch('/python/simple/foo/', {
        headers: { Accept: 'application/vnd.pypi.simple.v1+json' },
      })
      expect(page.status).toBe(files.length > 0 ? 200 : 404)
      if (page.ok) expect(((await page.json()) as { files: unknown[] }).files).toHaveLength(files.length)
      expect((await (await world.fetch('/python/simple/')).text()).includes('"foo/"')).toBe(files.length > 0)
    }
  }
  for (const { bugs } of [deleting, taking]) expect(bugs).toEqual([])
}

const NAME = 'a deletion races with uploads, and a project is listed exactly while it has files'

it(NAME, async () => {
  await using world = await startWorld({ protocols: [python] })
  await race(world, world)
})

describeWith('postgres', 'two servers over one PostgreSQL', () => {
  it(NAME, async () => {
    await using database = await createDatabase()
    await using one = await startWorld({ protocols: [python], databaseUrl: database.url })
    await using other = await startWorld({ protocols: [python], databaseUrl: database.url })
    await race(one, other)
  })
})
