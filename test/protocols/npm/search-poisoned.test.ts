import { expect, it } from 'vitest'

import { npmProtocol } from '../../../protocols/npm/index.ts'
import { createApp } from '../../../src/app.ts'
import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { openTestDepot, type TestDepot } from '../../helpers/depot.ts'
import { packagesWithReadme, POISONED_TEXT, poisonedPackages, type Batches } from '../../helpers/many-records.ts'

async function fill({ depot }: TestDepot, records: Batches): Promise<void> {
  for (const puts of records) await depot.commit(MAIN_CACHE, { puts })
}

function searchIn({ depot }: TestDepot): (text: string) => Promise<number> {
  const app = createApp({ depot, protocols: [npmProtocol()], site: { loopback: true, allowedHosts: [] } })
  return async (text) => {
    const answer = await app.fetch(new Request(`http://localhost/npm/-/v1/search?size=0&text=${text}`))
    return ((await answer.json()) as { total: number }).total
  }
}

it('answers a search for what hundreds of packages were written to make slow', async () => {
  await using test = await openTestDepot()
  await fill(test, poisonedPackages(400))
  const search = searchIn(test)
  expect(await search('package')).toBe(400)
  expect(await search('a'.repeat(400))).toBe(400)
  expect(await search(POISONED_TEXT)).toBe(0)
})

it('finds packages with readmes of many megabytes', async () => {
  await using test = await openTestDepot()
  await fill(test, packagesWithReadme(20, 12 * 1024 * 1024))
  expect(await searchIn(test)('package')).toBe(20)
}, 120_000)
