import { expect, it } from 'vitest'

import { startGuardedWorld, type GuardedWorld } from '../helpers/guarded-world.ts'
import { publishOf, tarballOf } from '../helpers/npm-fixtures.ts'
import { uploadForm } from '../helpers/python-upload.ts'
import { buildWheel } from '../helpers/wheel.ts'

const WHEEL = buildWheel({ name: 'secret', version: '1.0' })
/** From one row, from a file, from a stored document, made for the request, and a redirect. */
const PATHS = [
  '/npm/secret',
  '/npm/secret/latest',
  '/npm/secret/-/secret-1.0.0.tgz',
  '/nix/nix-cache-info',
  '/python/simple/',
  '/python/simple/secret/',
  '/python/simple/secret',
  `/python/files/secret/${WHEEL.filename}`,
]

it.each(['open', 'closed'] as const)('a shared cache may keep answers only where reads are open: %s', async (reads) => {
  await using world = await startGuardedWorld({ reads })
  const authorization = `Bearer ${await world.token('*:*:*')}`
  await fill(world, authorization)
  for (const path of PATHS) {
    const full = await world.fetch(path, { headers: { authorization }, redirect: 'manual' })
    const etag = full.headers.get('etag')
    await full.arrayBuffer()
    // The second time it comes from what the first has rendered, and a 304 takes the place of the headers that a cache has kept.
    const again = await world.fetch(path, { headers: { authorization }, redirect: 'manual' })
    const known = etag === null ? again : await world.fetch(path, { headers: { authorization, 'if-none-match': etag } })
    for (const { status, headers } of [full, again, known]) {
      const isPrivate = (headers.get('cache-control') ?? '').split(', ').includes('private')
      expect({ path, status, isPrivate }).toEqual({ path, status, isPrivate: reads === 'closed' })
    }
  }
})

async function fill(world: GuardedWorld, authorization: string): Promise<void> {
  const packageJson = { name: 'secret', version: '1.0.0' }
  const body = JSON.stringify(publishOf(packageJson, await tarballOf(packageJson)))
  const npm = { authorization, 'content-type': 'application/json' }
  expect((await world.fetch('/npm/secret', { method: 'PUT', headers: npm, body })).status).toBe(201)
  const form = uploadForm(WHEEL)
  const python = { authorization, 'content-type': form.contentType }
  const upload = { method: 'POST', headers: python, body: form.body }
  expect((await world.fetch('/python/legacy/', upload)).status).toBe(200)
}
