import { gzipSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { parseDistribution } from '../../../protocols/python/filename.ts'
import { python } from '../../../protocols/python/index.ts'
import { inspectDistribution } from '../../../protocols/python/inspect.ts'
import { longestHold } from '../../helpers/longest-hold.ts'
import { type ArchiveFile, buildWheel, coreMetadata, tar, zip } from '../../helpers/wheel.ts'
import { postForm, uploadForm } from '../../helpers/python-upload.ts'
import { startWorld } from '../../helpers/world.ts'

/** Nobody else waits longer than this. */
const HELD_MS = 200

const WHEEL = 'foo-1.0-py3-none-any.whl'
const SDIST = 'foo-1.0.tar.gz'
const METADATA = coreMetadata({ name: 'foo', version: '1.0' })
const INFO = { name: 'foo-1.0.dist-info/METADATA', content: METADATA }

const many = (count: number, name: (index: number) => string): ArchiveFile[] =>
  Array.from({ length: count }, (_, index) => ({ name: name(index) }))
const headers = (lines: string) => zip([{ ...INFO, content: METADATA.replace('\n\n', `\n${lines}\n\n`) }])

/** Half a million records of eight bytes and more. */
const extended = (sizeBytes: number): ArchiveFile => ({
  name: 'x',
  type: 'x',
  content: Array.from({ length: sizeBytes / 16 }, (_, index) => `16 ${String(index).padStart(11, 'k')}=\n`)
    .join('')
    .padEnd(sizeBytes, '\n')
    .slice(0, sizeBytes),
})

const HOSTILE: readonly (readonly [what: string, filename: string, bytes: () => Uint8Array])[] = [
  ['a wheel of 65,535 entries', WHEEL, () => zip([...many(65_534, (index) => `foo/some/module_${index}.py`), INFO])],
  ['a wheel whose names have 32 KB', WHEEL, () => zip([...many(600, (i) => `${'a/'.repeat(16_000)}${i}`), INFO])],
  ['METADATA of two million empty headers', WHEEL, () => headers('x:\n'.repeat(2_000_000))],
  [
    'METADATA with a value folded two million times',
    WHEEL,
    () => headers(`Requires-Python: >3\n${' ,\n'.repeat(2_000_000)}`),
  ],
  ['METADATA of 500,000 names', WHEEL, () => headers('Name: foo\n'.repeat(500_000))],
  ['METADATA of one long line', WHEEL, () => headers(`Summary: ${' '.repeat(8_000_000)}x`)],
  [
    'an sdist of 60,000 PKG-INFO of others',
    'foo-1.0.zip',
    () => zip([...many(60_000, (index) => `bar-${index}.0.0/PKG-INFO`), { ...INFO, name: 'foo-1.0/PKG-INFO' }]),
  ],
  [
    'an sdist with an extended header of 4 MB',
    SDIST,
    () => gzipSync(tar([extended(4_000_000), { name: 'foo-1.0/a' }])),
  ],
  [
    'an sdist of 150 extended headers as long as may be',
    SDIST,
    () => gzipSync(tar(Array.from({ length: 150 }, () => [extended(262_144), { name: 'foo-1.0/a' }]).flat())),
  ],
  ['an sdist of 40,000 entries', SDIST, () => gzipSync(tar(many(40_000, (index) => `foo-1.0/${index}`)))],
]

describe('the event loop is free for others while the depot looks into', () => {
  it.each(HOSTILE)('%s', async (_, filename, build) => {
    const bytes = build()
    const read = async ({ start, end }: { start: number; end: number }): Promise<Uint8Array> => bytes.slice(start, end)
    const source = { sizeBytes: bytes.byteLength, read }
    const held = await longestHold(async () => {
      // Whether it is refused is told elsewhere.
      await inspectDistribution(source, parseDistribution(filename)).catch(() => {})
    })
    expect(held).toBeLessThan(HELD_MS)
  })
})

describe('the event loop is free for others while the depot writes', () => {
  const wheel = buildWheel({ name: 'many', version: '1.0' })

  it('the list of 100,000 projects, and the page of one with 10,000 files', async () => {
    await using world = await startWorld({ protocols: [python] })
    await postForm(world.url, uploadForm(wheel))
    const put = (puts: readonly { kind: string; key: string; value: string; refs?: readonly string[] }[]) =>
      world.depot.kv.commit({ cache: 1, puts })
    for (let from = 0; from < 100_000; from += 5000)
      await put(
        many(5000, (index) => `project-${from + index}`).map(({ name: key }) => ({
          kind: 'python-project',
          key,
          value: '{"name":"x"}',
        })),
      )
    const facts = { sha256: wheel.sha256, sizeBytes: 1, uploadTime: '2026-01-01T00:00:00Z', yanked: false }
    for (let from = 0; from < 10_000; from += 1000)
      await put(
        many(1000, (index) => `many-${index}.${from}.dev1-cp311-cp311-manylinux_2_17_x86_64.whl`).map(
          ({ name: filename }) => ({
            kind: 'python-file',
            key: `many/${filename}`,
            value: JSON.stringify({ ...facts, filename, version: filename.split('-')[1] }),
            refs: [wheel.sha256],
          }),
        ),
      )
    await put(
      ['project', 'list'].map((kind) => ({
        kind: `python-${kind}`,
        key: kind === 'list' ? 'simple' : 'many',
        value: '{"name":"many"}',
      })),
    )
    for (const path of ['/python/simple/', '/python/simple/many/', '/python/many/json'])
      for (const accept of ['application/vnd.pypi.simple.v1+json', 'text/html']) {
        const held = await longestHold(async () => {
          const answer = await world.fetch(path, { headers: { accept, 'accept-encoding': 'gzip' } })
          expect((await answer.arrayBuffer()).byteLength).toBeGreaterThan(1_000_000)
        })
        expect(held, `${path} ${accept}`).toBeLessThan(HELD_MS)
      }
    expect(world.bugs).toEqual([])
  })

  it('the list of projects for many at once, each of whom finds the project that they came after', async () => {
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
