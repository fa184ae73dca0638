import { gzipSync } from 'node:zlib'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { inspectTarball, type OwnPackageJson } from '../../../protocols/npm/tarball.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { tarballOf, tarOf, type TarEntry } from '../../helpers/npm-fixtures.ts'

const OWN = { name: 'package/package.json', content: '{"name":"a","version":"1.0.0"}' }

async function inspect(bytes: Uint8Array, pieceBytes = 1000): Promise<OwnPackageJson> {
  using inspector = inspectTarball()
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) {
    const piece = Uint8Array.from(bytes.subarray(at, at + pieceBytes))
    await inspector.write(piece)
    piece.fill(0)
  }
  // Awaited here: the inspector ends with this function.
  return await inspector.finish()
}

async function gzipped(...entries: readonly TarEntry[]): Promise<Buffer> {
  return gzipSync(await tarOf(entries))
}

describe('reading a tarball', () => {
  it('finds name, version and whether a script runs at installation', async () => {
    const whole = { name: '@acme/a', version: '1.0.0', scripts: { test: 'x', install: '' } }
    const quiet = await tarballOf(whole)
    expect(await inspect(quiet)).toEqual({ name: '@acme/a', version: '1.0.0', hasInstallScript: false, whole })
    const loud = await tarballOf({ name: 'a', version: '1.0.0', scripts: { postinstall: 'node x.js' } })
    expect(await inspect(loud)).toMatchObject({ hasInstallScript: true })
  })

  it('takes any folder, a byte order mark, several gzip members, and reads on through large entries', async () => {
    const large = { name: 'types/big.bin', content: Buffer.alloc(3_000_000, 'x') }
    const tar = await tarOf([large, { name: 'types/package.json', content: `\ufeff${OWN.content}` }])
    const members = Buffer.concat([gzipSync(tar.subarray(0, 10_000)), gzipSync(tar.subarray(10_000))])
    expect(await inspect(members)).toMatchObject({ name: 'a', version: '1.0.0' })
  })

  it('passes over links, devices and what lies deeper', async () => {
    const tarball = await gzipped(
      { name: 'package/link', type: 'symlink', linkname: '/etc/passwd' },
      { name: 'package/hard', type: 'link', linkname: '../../escape' },
      { name: 'package/null', type: 'character-device' },
      { name: 'package/deep/package.json', content: '{"name":"b","version":"2.0.0"}' },
      { name: 'package/pipe', type: 'fifo' },
      OWN,
    )
    expect(await inspect(tarball)).toMatchObject({ name: 'a', version: '1.0.0' })
  })

  it.each<[string, TarEntry[], RegExp]>([
    ['no package.json', [{ name: 'package/index.js' }], /no package.json/],
    ['a package.json outside a folder', [{ name: 'package.json', content: OWN.content }], /no package.json/],
    ['two of them', [OWN, OWN], /two package.json/],
    ['two in different folders', [OWN, { ...OWN, name: 'other/package.json' }], /two package.json/],
    ['one that is a link', [{ name: 'package/package.json', type: 'symlink', linkname: 'x' }], /no package.json/],
    ['an absolute entry', [OWN, { name: '/etc/cron.d/x' }], /leads out/],
    ['an entry that climbs', [OWN, { name: 'package/../../x' }], /leads out/],
    ['one that climbs with backslashes', [OWN, { name: 'package\\..\\..\\x' }], /leads out/],
    ['one that climbs by a pax header', [OWN, { name: 'package/x', pax: { path: '../x' } }], /leads out/],
  ])('refuses %s', async (_what, entries, reason) => {
    const refused = { code: 'CONTENT_MISMATCH', status: 400, message: expect.stringMatching(reason) as string }
    await expect(inspect(await gzipped(...entries))).rejects.toMatchObject(refused)
  })

  it.each<[string, string]>([
    ['is not JSON', 'module.exports'],
    ['has no version', '{"name":"a"}'],
    ['has a number for a name', '{"name":1,"version":"1.0.0"}'],
    ['is a list', '[]'],
    ['has a __proto__ key', '{"name":"a","version":"1.0.0","__proto__":{"polluted":1}}'],
    ['nests without end', '['.repeat(100_000)],
  ])('refuses a package.json that %s', async (_what, content) => {
    await expect(inspect(await gzipped({ ...OWN, content }))).rejects.toMatchObject({ status: 400 })
  })

  it('refuses a package.json beyond its bound', async () => {
    const content = Buffer.alloc(LIMITS.packageMetadataBytesMax + 1, ' ')
    await expect(inspect(await gzipped({ ...OWN, content }), 100_000)).rejects.toMatchObject({ code: 'TOO_LARGE' })
  })

  it('refuses what is cut, followed by junk, damaged, or not gzip at all', async () => {
    const whole = await gzipped(OWN, { name: 'package/x', content: Buffer.alloc(5000, 'y') })
    const flipped = Buffer.from(whole)
    flipped[whole.length - 6] = (flipped[whole.length - 6] ?? 0) ^ 1
    const broken = [
      Buffer.alloc(0),
      Buffer.from('plain text'),
      await tarOf([OWN]),
      whole.subarray(0, whole.length - 1),
      whole.subarray(0, Math.floor(whole.length / 2)),
      Buffer.concat([whole, Buffer.from('junk')]),
      flipped,
      gzipSync(Buffer.from('no tar at all, but long enough for a header'.repeat(50))),
      gzipSync((await tarOf([OWN])).subarray(0, 700)),
    ]
    for (const bytes of broken) {
      await expect(inspect(bytes)).rejects.toMatchObject({ code: 'CONTENT_MISMATCH', status: 400 })
    }
  })

  it('refuses a header that claims a name of gigabytes', async () => {
    const tar = await tarOf([{ name: 'package/x', content: 'abc', pax: { comment: 'x' } }])
    // The size field of the pax header, in octal; the checksum is the sum of all header bytes with its own as blanks.
    tar.write('77777777777\0', 124, 'latin1')
    tar.write('        ', 148, 'latin1')
    const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0)
    tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
    await expect(inspect(gzipSync(tar))).rejects.toMatchObject({ status: 400 })
  })

  it('answers any damage with a refusal or the truth, and never hangs', async () => {
    const tar = await tarOf([{ name: 'package/a.js', content: 'x' }, OWN, { name: 'package/b', pax: { comment: 'c' } }])
    const damage = fc.array(fc.tuple(fc.nat(tar.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(damage, fc.nat(tar.byteLength), async (changes, cut) => {
        const damaged = Buffer.from(tar)
        for (const [at, value] of changes) damaged[at] = value
        for (const bytes of [damaged, damaged.subarray(0, cut)]) {
          const outcome = await inspect(gzipSync(bytes)).then(
            ({ name }) => typeof name,
            (error: unknown) => (error instanceof DepotError ? error.status : error),
          )
          expect(outcome).toBeOneOf(['string', 400, 413])
        }
      }),
      { numRuns: 300 },
    )
  })

  it('can be abandoned at any moment', async () => {
    const whole = await gzipped(OWN, { name: 'package/x', content: Buffer.alloc(100_000, 'y') })
    {
      using inspector = inspectTarball()
      await inspector.write(whole.subarray(0, 100))
    }
    expect(await inspect(whole)).toMatchObject({ name: 'a' })
  })
})
