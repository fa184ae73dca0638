import { describe, expect, it } from 'vitest'

import { parseDistribution } from '../../../protocols/python/filename.ts'
import { python } from '../../../protocols/python/index.ts'
import { inspectDistribution } from '../../../protocols/python/inspect.ts'
import { DepotError } from '../../../src/errors.ts'
import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { HOSTILE_DISTRIBUTIONS } from '../../helpers/hostile-distributions.ts'
import { pythonFiles, pythonProjects } from '../../helpers/many-records.ts'
import { postForm, uploadForm } from '../../helpers/python-upload.ts'
import { buildWheel } from '../../helpers/wheel.ts'
import { startWorld } from '../../helpers/world.ts'

/** What is said of each; of those that are not here, everything is right. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  'METADATA of two million empty headers': /^400: .*too many lines$/,
  'METADATA with a value folded two million times': /^400: .*too many lines$/,
  'METADATA of 500,000 names': /^400: .*too many lines$/,
  'an sdist with an extended header of 4 MB': /^413: the headers of the archive are too long$/,
  'an sdist of 150 extended headers as long as may be': /^413: the headers of the archive are too long$/,
}

describe('a distribution that is much to look into', () => {
  it.each(HOSTILE_DISTRIBUTIONS)('is read, or refused with what is wrong: $what', async ({ what, filename, bytes }) => {
    const whole = bytes('1.0')
    const read = async ({ start, end }: { start: number; end: number }): Promise<Uint8Array> => whole.slice(start, end)
    const source = { sizeBytes: whole.byteLength, read }
    const said = await inspectDistribution(source, parseDistribution(filename('1.0'))).then(
      () => 'read',
      (error: unknown) => (error instanceof DepotError ? `${error.status}: ${error.message}` : error),
    )
    expect(said).toMatch(REFUSED[what] ?? /^read$/)
  })
})

describe('an index of very many', () => {
  it('lists all of 100,000 projects, and of one all of its 10,000 files', async () => {
    await using world = await startWorld({ protocols: [python] })
    for (const records of [pythonProjects(100_000), pythonFiles('many', 10_000)])
      for (const puts of records) await world.depot.kv.commit({ cache: MAIN_CACHE.id, puts })
    const counted = async (path: string, accept: string, what: RegExp): Promise<number> => {
      const answer = await world.fetch(path, { headers: { accept, 'accept-encoding': 'gzip' } })
      return [...(await answer.text()).matchAll(what)].length
    }
    const json = 'application/vnd.pypi.simple.v1+json'
    expect(await counted('/python/simple/', json, /"name":/g)).toBe(100_001)
    expect(await counted('/python/simple/', 'text/html', /<a /g)).toBe(100_001)
    expect(await counted('/python/simple/many/', json, /"filename":/g)).toBe(10_000)
    expect(await counted('/python/simple/many/', 'text/html', /<a /g)).toBe(10_000)
    expect(await counted('/python/many/json', '*/*', /"filename":/g)).toBe(10_000)
    expect(world.bugs).toEqual([])
  })

  it('is listed for many at once, each of whom finds the project that they came after', async () => {
    await using world = await startWorld({ protocols: [python] })
    const read = async (): Promise<string> => (await world.fetch('/python/simple/')).text()
    const uploads = Array.from({ length: 12 }, async (_, index) => {
      const { status } = await postForm(world.url, uploadForm(buildWheel({ name: `fresh-${index}`, version: '1' })))
      expect(status).toBe(200)
      expect(await read()).toContain(`fresh-${index}/`)
    })
    await Promise.all([...uploads, ...Array.from({ length: 16 }, read)])
    expect((await read()).match(/fresh-/g)).toHaveLength(24)
  })
})
