import { expect, it } from 'vitest'

import { npmProtocol } from '../../../protocols/npm/index.ts'
import { createApp } from '../../../src/app.ts'
import { MAIN_CACHE, type RecordPut } from '../../../src/kv-store.ts'
import { openTestDepot, type TestDepot } from '../../helpers/depot.ts'
import { longestHold } from '../../helpers/longest-hold.ts'

/** Packages whose version and record are as given, put there without publishing each. */
async function fill({ depot }: TestDepot, names: readonly string[], manifest: object, fields: object): Promise<void> {
  const time = '2026-01-01T00:00:00.000Z'
  const record = { tags: { latest: '1.0.0' }, created: time, modified: time, times: { '1.0.0': time }, fields }
  for (const name of names) {
    const version = { digest: '', manifest: { name, version: '1.0.0', dist: {}, ...manifest } }
    const puts: RecordPut[] = [
      { kind: 'npm-version', key: `${name}@1.0.0`, value: JSON.stringify(version) },
      { kind: 'npm-package', key: name, value: JSON.stringify(record) },
    ]
    await depot.commit(MAIN_CACHE, { puts })
  }
}

function searchIn({ depot }: TestDepot): (text: string) => Promise<number> {
  const app = createApp({ depot, protocols: [npmProtocol()], site: { loopback: true, allowedHosts: [] } })
  return async (text) => {
    const answer = await app.fetch(new Request(`http://localhost/npm/-/v1/search?size=0&text=${text}`))
    return ((await answer.json()) as { total: number }).total
  }
}

function names(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `package-${index}`)
}

it('holds nobody up with a search for what hundreds of packages were written to make slow', async () => {
  await using test = await openTestDepot()
  const longest = 'a'.repeat(512)
  const person = { name: longest, email: longest }
  const maintainers = Array.from({ length: 20 }, () => person)
  await fill(test, names(400), { description: longest, author: person, maintainers }, {})
  const search = searchIn(test)
  expect(await search('package')).toBe(400)
  // Compared from its end, as engines do, it fits almost to its beginning at every place.
  const slow = `${'a'.repeat(100)}b${'a'.repeat(400)}`
  expect(await longestHold(() => search(slow))).toBeLessThan(100)
})

it('reads packages with readmes of many megabytes a few at a time', async () => {
  await using test = await openTestDepot()
  const readme = 'r'.repeat(12 * 1024 * 1024)
  await fill(test, names(20), {}, { readme })
  const search = searchIn(test)
  expect(await longestHold(() => search('package'))).toBeLessThan(200)
  expect(await search('package')).toBe(20)
}, 120_000)
