import process from 'node:process'

import { expect, it } from 'vitest'

import { npmProtocol } from '../../../protocols/npm/index.ts'
import { createApp } from '../../../src/app.ts'
import { MAIN_CACHE, type RecordPut } from '../../../src/kv-store.ts'
import { openTestDepot, type TestDepot } from '../../helpers/depot.ts'

const PACKAGES = 20_000
const WORDS =
  'fast small http server client stream parser view node tool json date time array promise mock format'.split(' ')

/** Processor time of this thread in milliseconds: a busy machine stretches the clock, not this. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

async function fill({ depot }: TestDepot): Promise<void> {
  const time = '2026-01-01T00:00:00.000Z'
  for (let from = 0; from < PACKAGES; from += 1000) {
    const puts = Array.from({ length: 1000 }, (_, index): readonly RecordPut[] => {
      const number = from + index
      const [word = '', other = ''] = [number, number * 7 + 3].map((at) => WORDS[at % WORDS.length])
      const name = number % 3 === 0 ? `@scope-${number % 50}/${word}-${number}` : `${word}-${number}`
      const manifest = {
        name,
        version: '1.0.0',
        description: `A ${word} ${other} for number ${number}`,
        keywords: [other],
        dist: {},
      }
      const record = { tags: { latest: '1.0.0' }, created: time, modified: time, times: { '1.0.0': time }, fields: {} }
      return [
        { kind: 'npm-version', key: `${name}@1.0.0`, value: JSON.stringify({ digest: '', manifest }) },
        { kind: 'npm-package', key: name, value: JSON.stringify(record) },
      ]
    })
    await depot.commit(MAIN_CACHE, { puts: puts.flat() })
  }
}

it('searches twenty thousand packages in 30 ms, and never holds others up for 50 ms, not even the first time', async () => {
  await using test = await openTestDepot()
  await fill(test)
  const app = createApp({ depot: test.depot, protocols: [npmProtocol()], site: { loopback: true, allowedHosts: [] } })
  const search = async (query: string) => {
    const answer = await app.fetch(new Request(`http://localhost/npm/-/v1/search?${query}`))
    return (await answer.json()) as { total: number }
  }
  let worstMs = 0
  let last = threadMs()
  const timer = setInterval(() => {
    const now = threadMs()
    worstMs = Math.max(worstMs, now - last)
    last = now
  }, 1)
  expect((await search('text=')).total).toBe(PACKAGES)
  for (const query of [
    'text=server',
    'text=json%20parser',
    'text=',
    'text=keywords:json',
    'text=nowhere',
    'text=a&from=19000',
  ]) {
    const times: number[] = []
    for (let round = 0; round < 9; round++) {
      const start = threadMs()
      await search(query)
      times.push(threadMs() - start)
    }
    const median = times.sort((one, other) => one - other)[4] ?? Infinity
    expect({ query, isFast: median < 30, median }).toMatchObject({ query, isFast: true })
  }
  clearInterval(timer)
  expect(worstMs).toBeLessThan(50)
}, 120_000)
