import { gzipSync } from 'node:zlib'

import { type ArchiveFile, coreMetadata, tar, zip } from './wheel.ts'

/** What is much to look into, as a file of `foo` in that version. */
export interface HostileDistribution {
  readonly what: string
  filename(version: string): string
  bytes(version: string): Buffer
}

const many = (count: number, name: (index: number) => string): ArchiveFile[] =>
  Array.from({ length: count }, (_, index) => ({ name: name(index) }))
const metadata = (version: string): string => coreMetadata({ name: 'foo', version })
const info = (version: string): ArchiveFile => ({
  name: `foo-${version}.dist-info/METADATA`,
  content: metadata(version),
})
const headers = (version: string, lines: string): Buffer =>
  zip([{ ...info(version), content: metadata(version).replace('\n\n', `\n${lines}\n\n`) }])
const wheel = (what: string, bytes: (version: string) => Buffer): HostileDistribution => ({
  what,
  filename: (version) => `foo-${version}-py3-none-any.whl`,
  bytes,
})
const sdist = (what: string, bytes: (version: string) => Buffer, suffix = 'tar.gz'): HostileDistribution => ({
  what,
  filename: (version) => `foo-${version}.${suffix}`,
  bytes,
})

/** Half a million records of eight bytes and more. */
const extended = (sizeBytes: number): ArchiveFile => ({
  name: 'x',
  type: 'x',
  content: Array.from({ length: sizeBytes / 16 }, (_, index) => `16 ${String(index).padStart(11, 'k')}=\n`)
    .join('')
    .padEnd(sizeBytes, '\n')
    .slice(0, sizeBytes),
})

export const HOSTILE_DISTRIBUTIONS: readonly HostileDistribution[] = [
  wheel('a wheel of 65,535 entries', (version) =>
    zip([...many(65_534, (index) => `foo/some/module_${index}.py`), info(version)]),
  ),
  wheel('a wheel whose names have 32 KB', (version) =>
    zip([...many(600, (index) => `${'a/'.repeat(16_000)}${index}`), info(version)]),
  ),
  wheel('METADATA of two million empty headers', (version) => headers(version, 'x:\n'.repeat(2_000_000))),
  wheel('METADATA with a value folded two million times', (version) =>
    headers(version, `Requires-Python: >3\n${' ,\n'.repeat(2_000_000)}`),
  ),
  wheel('METADATA of 500,000 names', (version) => headers(version, 'Name: foo\n'.repeat(500_000))),
  wheel('METADATA of one long line', (version) => headers(version, `Summary: ${' '.repeat(8_000_000)}x`)),
  sdist(
    'an sdist of 60,000 PKG-INFO of others',
    (version) =>
      zip([
        ...many(60_000, (index) => `bar-${index}.0.0/PKG-INFO`),
        { name: `foo-${version}/PKG-INFO`, content: metadata(version) },
      ]),
    'zip',
  ),
  sdist('an sdist with an extended header of 4 MB', (version) =>
    gzipSync(tar([extended(4_000_000), { name: `foo-${version}/a` }])),
  ),
  sdist('an sdist of 150 extended headers as long as may be', (version) =>
    gzipSync(tar(Array.from({ length: 150 }, () => [extended(262_144), { name: `foo-${version}/a` }]).flat())),
  ),
  sdist('an sdist of 40,000 entries', (version) => gzipSync(tar(many(40_000, (index) => `foo-${version}/${index}`)))),
]
