import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises'

import { describe, expect, it } from 'vitest'

import { openAdvisories } from '../../../cmd/serve/npm-advisories.ts'
import { SILENT_EVENTS } from '../../../src/events.ts'
import { runDepot } from '../../helpers/run-depot.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const osv = (name: string, more: object = {}) =>
  JSON.stringify({ id: `GHSA-${name}`, affected: [{ package: { ecosystem: 'npm', name } }], ...more })

function listener() {
  const loaded: number[] = []
  const refused: string[] = []
  return {
    loaded,
    refused,
    events: {
      ...SILENT_EVENTS,
      advisoriesLoaded: (packages: number) => void loaded.push(packages),
      advisoriesRefused: (reason: string) => void refused.push(reason),
    },
  }
}

describe('advisories', () => {
  it.each([
    ['lines', `${osv('a')}\n${osv('b')}\n`],
    ['an array', `[${osv('a')},\n${osv('b')}]`],
    ['a saved answer', '{"a":[{"id":1}],"b":[{"id":2,"url":"https://x/"}]}'],
    ['nothing but a name', `${osv('a')}${osv('b')}`],
  ])('are read from a file of %s', async (_form, text) => {
    await using dir = await tempDir('advisories')
    await writeFile(dir.join('all'), text)
    await using advisories = await openAdvisories(dir.join('all'), SILENT_EVENTS)
    expect(['a', 'b', 'c'].map((name) => advisories.of(name).length)).toEqual([1, 1, 0])
  })

  it('are read from a folder, and followed there', async () => {
    await using dir = await tempDir('advisories')
    for (const name of ['a', 'b']) await writeFile(dir.join(`${name}.json`), osv(name))
    await writeFile(dir.join('README.md'), 'no JSON')
    await using advisories = await openAdvisories(dir.path, SILENT_EVENTS)
    expect(['a', 'b', 'c'].map((name) => advisories.of(name).length)).toEqual([1, 1, 0])
    await writeFile(dir.join('c.json'), osv('c'))
    await rm(dir.join('a.json'))
    const now = () => ['a', 'b', 'c'].map((name) => advisories.of(name).length)
    await expect.poll(now, { timeout: 10_000 }).toEqual([0, 1, 1])
  })

  it('of a file are followed, however it is changed; a damaged content changes nothing and is told', async () => {
    await using dir = await tempDir('advisories')
    const file = dir.join('all.jsonl')
    await writeFile(file, osv('a'))
    const { events, loaded, refused } = listener()
    await using advisories = await openAdvisories(file, events)
    await appendFile(file, `\n${osv('b')}`)
    await expect.poll(() => advisories.of('b').length, { timeout: 10_000 }).toBe(1)
    await writeFile(dir.join('next'), osv('c'))
    await rename(dir.join('next'), file)
    await expect.poll(() => advisories.of('c').length, { timeout: 10_000 }).toBe(1)
    expect([advisories.of('a').length, loaded]).toEqual([0, [2, 1]])

    await writeFile(file, `${osv('d')}\n\nno json\n`)
    await expect.poll(() => refused.length, { timeout: 10_000 }).toBe(1)
    expect(refused[0]).toContain(`${file}: line 3 has something that is no JSON object`)
    expect([advisories.of('c').length, advisories.of('d').length]).toEqual([1, 0])
    await rm(file)
    await expect.poll(() => refused.length, { timeout: 10_000 }).toBe(2)
    expect(advisories.of('c')).toHaveLength(1)
    await writeFile(file, osv('e'))
    await expect.poll(() => advisories.of('e').length, { timeout: 10_000 }).toBe(1)
  })

  it.each([
    ['{"id":1', 'line 1 has an object that does not end'],
    [`${osv('a')}\nnonsense`, 'line 2 has something that is no JSON object'],
    [`${osv('a')}\n\n{"id":"x","affected":7}`, 'line 4'.replace('4', '3')],
    [undefined, 'it cannot be read (ENOENT)'],
  ])('are refused before the start when the file is %j', async (text, reason) => {
    await using dir = await tempDir('advisories')
    await mkdir(dir.join('data'))
    if (text !== undefined) await writeFile(dir.join('all.json'), text)
    for (const more of [['--check-config'], []]) {
      const place = ['--store-path', dir.join('data'), '--npm-advisories', dir.join('all.json')]
      const { status, stderr } = await runDepot(['serve', '--listen-addr', '127.0.0.1:0', ...place, ...more])
      expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining(reason) as unknown })
      expect(stderr).toContain(`--npm-advisories ${dir.join('all.json')}: `)
    }
  })

  it('of 40 MB are read to the last', async () => {
    await using dir = await tempDir('advisories')
    const details = 'words '.repeat(600)
    const lines = Array.from({ length: 10_000 }, (_, index) =>
      osv(`package-${index}`, { details, summary: 'It breaks' }),
    )
    await writeFile(dir.join('all'), lines.join('\n'))
    await using advisories = await openAdvisories(dir.join('all'), SILENT_EVENTS)
    expect(advisories.of('package-9999')).toHaveLength(1)
  })
})
