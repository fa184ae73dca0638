import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseNarinfo, printNarinfo, type Narinfo } from '../../../protocols/nix/narinfo.ts'
import { hexOfNix32 } from '../../../protocols/nix/nix32.ts'
import { DepotError } from '../../../src/errors.ts'

const HASH = 's5b00ijzqx4db8vf1bcbzgmv3wb3ildz'
const OTHER = '54vm60lrm3kmi5v6vf7li41kb9k37c88'
const NAR_HASH = '1b9761qlxl27rg5v4pl6fzlqmlwdp7jqb9n459dwr6baph4riiaq'
const FILE_HASH = '1waaxf6q2kns1na7a7rra64qg8l8rsljag3jlbc8bc9w6zg6y2j7'
const SIG = 'test-1:tADrEZouneGRRgYGmwmcIlf7V+qJe/p1PZ34xmwzWNU47FX91XgoD6Vw6GY/poWuJSPwPkfntWHLYAix8TyGDg=='

const TEXT = `StorePath: /nix/store/${HASH}-dep-a
URL: nar/${FILE_HASH}.nar.zst
Compression: zstd
FileHash: sha256:${FILE_HASH}
FileSize: 89
NarHash: sha256:${NAR_HASH}
NarSize: 120
References: ${OTHER}-top-b ${HASH}-dep-a
Deriver: ${OTHER}-dep-a.drv
Sig: ${SIG}
Sig: other-1:AAAA
CA: text:sha256:0w2jh3yfnw4k55db6vdb7mvzqhpd29p8pjx4jf28hpzl99cik2j4
`

describe('a narinfo', () => {
  it('is read field by field', () => {
    expect(parseNarinfo(TEXT)).toEqual({
      storePath: { baseName: `${HASH}-dep-a`, hash: HASH, name: 'dep-a' },
      url: `nar/${FILE_HASH}.nar.zst`,
      compression: 'zstd',
      fileHash: hexOfNix32(FILE_HASH),
      fileSizeBytes: 89,
      narHash: hexOfNix32(NAR_HASH),
      narSizeBytes: 120,
      references: [`${OTHER}-top-b`, `${HASH}-dep-a`],
      deriver: `${OTHER}-dep-a.drv`,
      signatures: [SIG, 'other-1:AAAA'],
      ca: 'text:sha256:0w2jh3yfnw4k55db6vdb7mvzqhpd29p8pjx4jf28hpzl99cik2j4',
    })
  })

  it('is printed as Nix prints it', () => {
    expect(printNarinfo(parseNarinfo(TEXT))).toBe(TEXT)
  })

  it('is refused with more lines than any has, before they are read', () => {
    expect(() => parseNarinfo(TEXT + 'X: \n'.repeat(1000))).toThrow(/more than 1000 lines/)
    expect(parseNarinfo(TEXT + 'X: \n'.repeat(900)).signatures).toHaveLength(2)
  })

  it('may leave out everything that has a meaning when it is absent', () => {
    const text = `StorePath: /nix/store/${HASH}-dep-a\nURL: nar/x\nNarHash: sha256:${NAR_HASH}\nNarSize: 120\n`
    const read = parseNarinfo(text)
    expect(read).toMatchObject({ compression: 'bzip2', references: [], signatures: [] })
    expect(Object.keys(read)).not.toContain('deriver')
    expect(printNarinfo(read)).toContain('\nReferences: \n')
  })

  it.each([
    ['hex', `sha256:${hexOfNix32(NAR_HASH)}`],
    ['base 32', `sha256:${NAR_HASH}`],
    ['base 64', `sha256-${Buffer.from(hexOfNix32(NAR_HASH) ?? '', 'hex').toString('base64')}`],
  ])('may spell its hashes in %s', (_, hash) => {
    expect(parseNarinfo(replaced('NarHash', hash)).narHash).toBe(hexOfNix32(NAR_HASH))
  })

  it('has no deriver when it is said to be unknown', () => {
    expect(Object.keys(parseNarinfo(replaced('Deriver', 'unknown-deriver')))).not.toContain('deriver')
  })

  it('may have keys that nobody knows', () => {
    expect(parseNarinfo(`${TEXT}NixLink: a b\nNixLink: again\n`)).toEqual(parseNarinfo(TEXT))
  })

  it.each(['x86_64-linux', 'aarch64-darwin', 'builtin', 'armv7l-linux'])('may say that it is for %s', (system) => {
    expect(parseNarinfo(`${TEXT}System: ${system}\n`)).toEqual(parseNarinfo(TEXT))
  })

  it('is refused with more signatures than anybody checks', () => {
    const some = `Sig: ${SIG}\n`
    expect(parseNarinfo(TEXT + some.repeat(62)).signatures).toHaveLength(64)
    expect(() => parseNarinfo(TEXT + some.repeat(63))).toThrow(/more than 64 signatures/)
  })

  it('names each reference once, in order', () => {
    const names = [`${HASH}-z`, `${OTHER}-a`, `${HASH}-z`]
    expect(parseNarinfo(replaced('References', names.join(' '))).references).toEqual([`${OTHER}-a`, `${HASH}-z`])
  })

  it.each([
    ['StorePath', ''],
    ['StorePath', `/etc/${HASH}-x`],
    ['StorePath', `/nix/store/../${HASH}-x`],
    ['StorePath', `${HASH}-x`],
    ['URL', ''],
    ['FileHash', 'sha256:abc'],
    ['FileHash', `md5:${FILE_HASH}`],
    ['FileSize', '-1'],
    ['FileSize', '0x59'],
    ['FileSize', '9'.repeat(16)],
    ['NarHash', ''],
    ['NarHash', NAR_HASH],
    ['NarHash', `sha1:${NAR_HASH}`],
    ['NarHash', `sha256:${NAR_HASH.replace('1', 'z')}`],
    ['NarHash', `sha256:${'g'.repeat(64)}`],
    ['NarSize', '0'],
    ['NarSize', ''],
    ['NarSize', '1e3'],
    ['NarSize', '120 '],
    ['References', '../../etc/passwd'],
    ['References', `/nix/store/${HASH}-dep-a`],
    ['Deriver', '/etc/passwd'],
    ['Deriver', `${HASH}`],
    ['Deriver', `${OTHER}-dep-a`],
    ['Deriver', `/nix/store/${OTHER}-dep-a.drv`],
    ['Sig', 'nobody'],
    ['Sig', 'two words:AAAA'],
    ['CA', 'text:sha256:\u00e4'],
  ])('is refused with %s: %s', (key, value) => {
    expect(() => parseNarinfo(replaced(key, value))).toThrow(DepotError)
  })

  it.each([
    ['an end that is missing', TEXT.slice(0, -1)],
    ['a line without a colon', `${TEXT}nonsense\n`],
    ['an empty line', `${TEXT}\n`],
    ['no blank after the colon', `${TEXT}System:x\n`],
    ['a carriage return', TEXT.replaceAll('\n', '\r\n')],
    ['a NUL', TEXT.replace('dep-a\n', 'dep-a\0\n')],
    ['nothing at all', ''],
    ['a web page', '<!doctype html>\n'],
    ['System with a blank', `${TEXT}System: x86_64 linux\n`],
    ['System without a value', `${TEXT}System: \n`],
    ['System twice', `${TEXT}System: a\nSystem: a\n`],
    ...['StorePath', 'URL', 'References', 'CA', 'NarHash', 'Deriver', 'FileSize'].map((key) => [
      `${key} twice`,
      TEXT + lineOf(key),
    ]),
  ])('is refused with %s', (_, text) => {
    expect(() => parseNarinfo(text)).toThrow(DepotError)
  })

  it('reads what it prints, whatever is in it', () => {
    fc.assert(
      fc.property(narinfos, (narinfo) => {
        expect(parseNarinfo(printNarinfo(narinfo))).toEqual(narinfo)
      }),
    )
  })

  it('is read or refused, never anything else, whatever bytes it is made of', () => {
    const pieces = fc.array(fc.oneof(fc.constantFrom(...TEXT.split('\n'), '\n', ': ', 'CA'), fc.string()))
    fc.assert(
      fc.property(pieces, (parts) => {
        try {
          parseNarinfo(parts.join('\n'))
        } catch (error) {
          expect(error).toBeInstanceOf(DepotError)
        }
      }),
    )
  })
})

function lineOf(key: string): string {
  return `${TEXT.split('\n').find((line) => line.startsWith(`${key}: `)) ?? ''}\n`
}

function replaced(key: string, value: string): string {
  return TEXT.replace(lineOf(key), `${key}: ${value}\n`)
}

const digits = fc.constantFrom(...'0123456789abcdfghijklmnpqrsvwxyz'.split(''))
const baseNames = fc
  .tuple(fc.string({ unit: digits, minLength: 32, maxLength: 32 }), fc.stringMatching(/^[a-z0-9+_?=]{1,20}$/))
  .map(([hash, name]) => ({ baseName: `${hash}-${name}`, hash, name }))
const hashes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
const sizes = fc.integer({ min: 1, max: 2 ** 49 })

const narinfos: fc.Arbitrary<Narinfo> = fc.record(
  {
    storePath: baseNames,
    url: fc.constant('nar/x.nar.zst'),
    compression: fc.constantFrom('none', 'zstd', 'xz'),
    fileHash: hashes,
    fileSizeBytes: sizes,
    narHash: hashes,
    narSizeBytes: sizes,
    references: fc.uniqueArray(baseNames.map(({ baseName }) => baseName)).map((names) => names.sort()),
    deriver: baseNames.map(({ baseName }) => `${baseName}.drv`),
    signatures: fc.array(fc.constant(SIG)),
    ca: fc.constant('fixed:r:sha256:x'),
  },
  { requiredKeys: ['storePath', 'url', 'compression', 'narHash', 'narSizeBytes', 'references', 'signatures'] },
)
