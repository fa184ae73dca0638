import { expect, it } from 'vitest'

import { publishOf, tarballOf } from '../../helpers/npm-fixtures.ts'
import { put, startNpmWorld } from '../../helpers/npm-world.ts'

it('takes versions until their manifests are more than one packument can hold, and again after some are gone', async () => {
  await using world = await startNpmWorld()
  const description = 'x'.repeat(15 * 1024 * 1024)
  const send = async (version: string): Promise<number> => {
    const own = { name: 'huge', version }
    return (await put(world, 'huge', publishOf(own, await tarballOf(own), { manifest: { description } }))).status
  }
  for (let version = 0; version < 8; version++) expect(await send(`1.0.${version}`)).toBe(201)
  expect(await send('1.0.8')).toBe(413)
  expect((await world.fetch('/npm/huge/1.0.0', { method: 'DELETE' })).status).toBe(204)
  expect(await send('1.0.8')).toBe(201)
  expect(world.bugs).toEqual([])
}, 120_000)
