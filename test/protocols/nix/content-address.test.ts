import { createHash } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import { addressedHash, contentDigest, parseContentAddress } from '../../../protocols/nix/content-address.ts'
import { parseBaseName, type StorePath } from '../../../protocols/nix/store-path.ts'
import { inPieces } from '../../helpers/depot.ts'
import { fileNar, nix32, sha256Hex, sha256Nix32, writeNar } from '../../helpers/nar.ts'

const CONTENT = Buffer.from('hello a\n')
const NAR = fileNar(CONTENT)
const OTHER = '54vm60lrm3kmi5v6vf7li41kb9k37c88-top-b'

describe('a content address', () => {
  // Store paths that Nix 2.8 gave to a file of "hello a\n".
  it.each([
    ['a text', `text:sha256:${sha256Nix32(CONTENT)}`, 's5b00ijzqx4db8vf1bcbzgmv3wb3ildz-dep-a'],
    ['a source tree', `fixed:r:sha256:${sha256Nix32(NAR)}`, 'yjirhkwndvv69k1rvw4gzp6g9a2wh13v-hello'],
    ['a download', `fixed:sha256:${sha256Nix32(CONTENT)}`, 'avk7iqix4j3hsh61lk2is714v4iz73i3-flat'],
  ])('of %s gives the path that Nix gives', async (_, ca, baseName) => {
    const address = parse(ca)
    const path = pathOf(baseName)
    expect(addressedHash(address, path, [])).toBe(path.hash)
    expect(await contentDigest(address, inPieces(NAR, 7), { selfHash: undefined })).toBe(address.digest)
    expect(addressedHash(address, { ...path, name: 'other' }, [])).not.toBe(path.hash)
    expect(addressedHash({ ...address, digest: '0'.repeat(64) }, path, [])).not.toBe(path.hash)
  })

  it('of a text with references gives the path that Nix gives', () => {
    const content = Buffer.from('ref /nix/store/s5b00ijzqx4db8vf1bcbzgmv3wb3ildz-dep-a\n')
    const path = pathOf('54vm60lrm3kmi5v6vf7li41kb9k37c88-top-b')
    const address = parse('text:sha256:0p1ms2720q5cxzrqipcq1632wh9bmfcmjs8k5l6bkfv0brf3y3gf')
    expect(address.digest).toBe(sha256Hex(content))
    expect(addressedHash(address, path, ['s5b00ijzqx4db8vf1bcbzgmv3wb3ildz-dep-a'])).toBe(path.hash)
    expect(addressedHash(address, path, [])).not.toBe(path.hash)
  })

  // Names from `nix-store --print-fixed-path [--recursive] <algorithm>` of Nix 2.8.
  it.each([
    ['fixed:md5:', 'shrvyyj831fm9w5bq6v3vi7yd5xvflwc-flat'],
    ['fixed:r:md5:', '6765xc59m7s28bq9n96rdkb4cfyh4hfa-tree'],
    ['fixed:sha1:', 'f00gc56vx64lpi7dimrqpcz179xb637p-flat'],
    ['fixed:r:sha1:', '9pg9w3dfjhrxsi2b6iav1icallclky5k-tree'],
    ['fixed:sha256:', 'avk7iqix4j3hsh61lk2is714v4iz73i3-flat'],
    ['fixed:r:sha256:', 'nwaj45wkiqf8b2363wz53r5xhhcl2bp2-tree'],
    ['fixed:sha512:', '4sxqcsaqraq1890kj5giz91mfxk2jwdz-flat'],
    ['fixed:r:sha512:', 'nfc2qns4bvz11szqv196chgrfzjbv6iw-tree'],
  ])('%s gives the path that Nix gives, from hex and from base 32', async (prefix, baseName) => {
    const digest = createHash(prefix.split(':').at(-2) ?? '')
      .update(prefix.includes(':r:') ? NAR : CONTENT)
      .digest()
    for (const text of [digest.toString('hex'), nix32(digest)]) {
      const address = parse(prefix + text)
      expect(await contentDigest(address, inPieces(NAR), { selfHash: undefined })).toBe(digest.toString('hex'))
      expect(addressedHash(address, pathOf(baseName), [])).toBe(baseName.slice(0, 32))
      if (prefix !== 'fixed:r:sha256:') expect(addressedHash(address, pathOf(baseName), [OTHER])).toBeUndefined()
    }
  })

  it('depends on whether a path refers to itself', () => {
    const address = parse(`fixed:r:sha256:${sha256Nix32(NAR)}`)
    const path = pathOf(OTHER)
    const hashes = [[], [OTHER], ['s5b00ijzqx4db8vf1bcbzgmv3wb3ildz-a'], [OTHER, 's5b00ijzqx4db8vf1bcbzgmv3wb3ildz-a']]
    expect(new Set(hashes.map((references) => addressedHash(address, path, references))).size).toBe(4)
    expect(addressedHash(parse(`text:sha256:${sha256Hex(CONTENT)}`), path, [OTHER])).toBeUndefined()
  })

  it('of a path that names itself is a digest with its name as zeros, and the places where it stood', async () => {
    const selfHash = '54vm60lrm3kmi5v6vf7li41kb9k37c88'
    const nar = fileNar(`a /nix/store/${selfHash}-x and ${selfHash}${selfHash} b`)
    const zeros = Buffer.from(nar.toString('latin1').replaceAll(selfHash, '\0'.repeat(32)), 'latin1')
    const places = [...nar.toString('latin1').matchAll(new RegExp(selfHash, 'g'))].map(({ index }) => `|${index}`)
    expect(places).toHaveLength(3)
    const expected = createHash('sha256').update(zeros).update(places.join('')).digest('hex')
    const address = parse(`fixed:r:sha256:${expected}`)
    for (const size of [1, 31, 33, 1000])
      expect(await contentDigest(address, inPieces(nar, size), { selfHash })).toBe(expected)
    // Nix 2.26 leaves the places out.
    const newer = parse(`fixed:r:sha256:${sha256Hex(zeros)}`)
    expect(await contentDigest(newer, inPieces(nar, 31), { selfHash })).toBe(sha256Hex(zeros))
    const neither = parse(`fixed:r:sha256:${sha256Hex(nar)}`)
    expect(await contentDigest(neither, inPieces(nar, 31), { selfHash })).toBe(expected)
  })

  it.each([
    ['a program', fileNar(CONTENT, true)],
    ['a directory', writeNar({ type: 'directory', entries: [] })],
    ['a link', writeNar({ type: 'symlink', target: 'a' })],
  ])('of one file is not that of %s', async (_, nar) => {
    const address = parse(`fixed:sha256:${sha256Hex(CONTENT)}`)
    expect(await contentDigest(address, inPieces(nar, 5), { selfHash: undefined })).toBeUndefined()
  })

  it.each([
    '',
    'fixed',
    'fixed:r:sha256:',
    `fixed:x:sha256:${sha256Hex(CONTENT)}`,
    `fixed:git:sha1:${'0'.repeat(40)}`,
    `text:sha1:${'0'.repeat(40)}`,
    `fixed:sha256:${'0'.repeat(40)}`,
    `fixed:sha256:${sha256Hex(CONTENT)}0`,
    `fixed:sha256:${sha256Hex(CONTENT).toUpperCase()}`,
    `fixed:sha256:z${sha256Nix32(CONTENT).slice(1)}`,
    `fixed:blake3:${sha256Hex(CONTENT)}`,
  ])('that cannot be checked is none: %j', (text) => {
    expect(parseContentAddress(text)).toBeUndefined()
  })
})

function parse(text: string): NonNullable<ReturnType<typeof parseContentAddress>> {
  const address = parseContentAddress(text)
  if (address === undefined) throw new Error(`${text} is no content address`)
  return address
}

function pathOf(baseName: string): StorePath {
  const path = parseBaseName(baseName)
  if (path === undefined) throw new Error(`${baseName} is no store path`)
  return path
}
