import { expect, it } from 'vitest'

import { npmProtocol } from '../../../protocols/npm/index.ts'
import { createApp } from '../../../src/app.ts'
import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { openTestDepot } from '../../helpers/depot.ts'
import { npmPackages } from '../../helpers/many-records.ts'

const PACKAGES = 20_000

it('finds what there is among twenty thousand packages, counts all of it, and tells as much as was asked for', async () => {
  await using test = await openTestDepot()
  for (const puts of npmPackages(PACKAGES)) await test.depot.commit(MAIN_CACHE, { puts })
  const app = createApp({ depot: test.depot, protocols: [npmProtocol()], site: { loopback: true, allowedHosts: [] } })
  const search = async (query: string): Promise<readonly [total: number, told: number]> => {
    const answer = await app.fetch(new Request(`http://localhost/npm/-/v1/search?${query}`))
    const { total, objects } = (await answer.json()) as { total: number; objects: object[] }
    return [total, objects.length]
  }
  expect(await search('text=')).toEqual([PACKAGES, 20])
  expect(await search('text=&size=250')).toEqual([PACKAGES, 250])
  expect(await search('text=&from=19990')).toEqual([PACKAGES, 10])
  // Every seventeenth from the second.
  expect(await search('text=keywords:json')).toEqual([1177, 20])
  expect(await search('text=nowhere')).toEqual([0, 0])
}, 120_000)
