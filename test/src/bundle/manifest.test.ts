import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createManifestReader, printManifest, type BundledFile, type Manifest } from '../../../src/bundle/manifest.ts'
import { LIMITS } from '../../../src/limits.ts'

const HEX = 'a'.repeat(64)
const HEAD = '{"format":"depot-bundle/1","created":"2026-01-31T12:00:00Z","files":['

function read(text: string | Uint8Array, pieceBytes = 1000): Manifest {
  const reader = createManifestReader()
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.subarray(at, at + pieceBytes))
  return reader.end()
}

function line(file: Partial<Record<keyof BundledFile, unknown>>): string {
  return JSON.stringify({ path: 'npm/a/a-1.0.0.tgz', sha256: HEX, sizeBytes: 1, ...file })
}

function withLines(...lines: readonly string[]): string {
  return `${HEAD}\n${lines.join(',\n')}${lines.length === 0 ? '' : '\n'}]}\n`
}

const hex = fc.stringMatching(/^[0-9a-f]{64}$/)
const name = fc.stringMatching(/^[a-zA-Z0-9@_é𝒳][a-zA-Z0-9@._é𝒳 -]{0,8}$/u)
const file = fc.record(
  {
    path: fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => `npm/${names.join('/')}.tgz`),
    sha256: hex,
    sizeBytes: fc.nat(),
    carried: fc.boolean(),
    content: hex,
  },
  { requiredKeys: ['path', 'sha256', 'sizeBytes', 'carried'] },
)
const manifests = fc
  .tuple(fc.uniqueArray(file, { selector: ({ path }) => path }), fc.option(hex, { nil: undefined }))
  .map(([files, base]): Manifest => {
    const sorted = files.toSorted((one, other) => Buffer.compare(Buffer.from(one.path), Buffer.from(other.path)))
    return { created: '2026-01-31T12:00:00Z', ...(base === undefined ? {} : { base }), files: sorted }
  })

describe('the manifest of a bundle', () => {
  it('is JSON, a line for each file, and reads back as it was however it is cut', () => {
    fc.assert(
      fc.property(manifests, fc.integer({ min: 1, max: 300 }), (manifest, pieceBytes) => {
        const text = [...printManifest(manifest)].join('')
        expect(read(text, pieceBytes)).toEqual(manifest)
        const { format, files } = JSON.parse(text) as { format: string; files: unknown[] }
        expect([format, files.length]).toEqual(['depot-bundle/1', manifest.files.length])
        expect(text.split('\n').length).toBe(manifest.files.length + 3)
      }),
    )
  })

  it('has one text: every byte that is changed makes it another one, or none', () => {
    const text = [
      ...printManifest({ created: '2026-01-31T12:00:00Z', files: [fileAt('npm/a'), fileAt('npm/b')] }),
    ].join('')
    for (let at = 0; at < text.length; at++) {
      const changed = Buffer.from(text)
      changed[at] = (changed[at] ?? 0) ^ 1
      const again = readOrNothing(changed)
      if (again !== undefined) expect([...printManifest(again)].join('')).toBe(changed.toString())
    }
  })

  it.each([
    ['nothing at all', ''],
    ['no line feed at its end', withLines().slice(0, -1)],
    ['something behind its end', `${withLines()}\n`],
    ['another order of keys', withLines(`{"sha256":"${HEX}","path":"npm/a/x","sizeBytes":1}`)],
    ['blanks', withLines(line({}).replace(':', ': '))],
    ['a key twice', withLines(line({}).replace('{', '{"path":"npm/other",'))],
    ['a key that nobody knows', withLines(line({}).replace('}', ',"mode":511}'))],
    ['a prototype', withLines(line({}).replace('}', ',"__proto__":{"carried":false}}'))],
    ['an escape that need not be', withLines(line({}).replace('npm/a', String.raw`npm/\u0061`))],
    ['carried where it goes without saying', withLines(line({ carried: true }))],
    ['a number in another spelling', withLines(line({}).replace('"sizeBytes":1', '"sizeBytes":1.0'))],
    ['a size below zero', withLines(line({ sizeBytes: -1 }))],
    ['a size that no number holds', withLines(line({}).replace('"sizeBytes":1', '"sizeBytes":99999999999999999999'))],
    ['a digest in capitals', withLines(line({ sha256: 'A'.repeat(64) }))],
    ['two sizes for one digest', withLines(line({ path: 'npm/a/x' }), line({ path: 'npm/a/y', sizeBytes: 2 }))],
    ['a path twice', withLines(line({}), line({}))],
    ['paths out of order', withLines(line({ path: 'npm/b' }), line({ path: 'npm/a' }))],
    [
      'a file that is a folder too',
      withLines(line({ path: 'npm/a' }), line({ path: 'npm/a-b' }), line({ path: 'npm/a/b' })),
    ],
    ['a path that leads out', withLines(line({ path: 'npm/../../etc/passwd' }))],
    ['an absolute path', withLines(line({ path: '/etc/passwd' }))],
    ['a path with a backslash', withLines(line({ path: String.raw`npm/..\..\x` }))],
    ['a hidden file', withLines(line({ path: 'npm/.npmrc' }))],
    ['a file of no ecosystem', withLines(line({ path: 'passwd' }))],
    ['a path with a NUL', withLines(line({ path: 'npm/a\0b' }))],
    ['half a letter', withLines(line({ path: 'npm/\ud800' }))],
    ['another array', `${HEAD}\n[]\n]}\n`],
    ['one line too few', withLines(line({})).replace('}\n]}', '},\n]}')],
    ['a byte order mark', `\ufeff${withLines()}`],
    ['a time of its own', withLines().replace('2026-01-31T12:00:00Z', '2026-01-31')],
  ])('is refused with %s', (_what, text) => {
    expect(() => read(text)).toThrow(/not the manifest of a bundle|is no path of a saved file/)
  })

  it('is refused when it is not UTF-8', () => {
    expect(() => read(Buffer.concat([Buffer.from(`${HEAD}\n{"path":"npm/`), Buffer.of(0xff, 0x0a)]))).toThrow(
      'not UTF-8',
    )
  })

  it('says which format it has when that is a later one', () => {
    expect(() => read(withLines().replace('bundle/1', 'bundle/2'))).toThrow('has the format depot-bundle/2')
  })

  it('is given up at a line that is longer than any, without waiting for its end', () => {
    const reader = createManifestReader()
    expect(() => reader.push(Buffer.alloc(10_000, 'x'))).toThrow('longer than any file has')
  })

  it('is given up when it has more files than a bundle may', { timeout: 60_000 }, () => {
    const reader = createManifestReader()
    reader.push(Buffer.from(`${HEAD}\n`))
    expect(() => {
      for (let count = 0; count <= LIMITS.bundleFilesMax; count++)
        reader.push(Buffer.from(`${line({ path: `npm/${count}` })},\n`))
    }).toThrow(`more than ${LIMITS.bundleFilesMax} files`)
  })
})

function fileAt(path: string): BundledFile {
  return { path, sha256: HEX, sizeBytes: 1, carried: true }
}

function readOrNothing(bytes: Uint8Array): Manifest | undefined {
  try {
    return read(bytes)
  } catch {
    return undefined
  }
}
