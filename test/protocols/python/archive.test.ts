import { gzipSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { parseDistribution } from '../../../protocols/python/filename.ts'
import { inspectDistribution } from '../../../protocols/python/inspect.ts'
import type { ByteSource } from '../../../protocols/python/byte-source.ts'
import { readZipDirectory, readZipEntry } from '../../../protocols/python/zip.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { type ArchiveFile, buildSdist, buildWheel, coreMetadata, tar, tarGz, zip } from '../../helpers/wheel.ts'

const WHEEL = 'foo-1.0-py3-none-any.whl'
const SDIST = 'foo-1.0.tar.gz'
const FOO = { name: 'Foo', version: '1.0' }
const INFO = { name: 'foo-1.0.dist-info/METADATA', content: coreMetadata(FOO) }
const PKG_INFO = { name: 'foo-1.0/PKG-INFO', content: coreMetadata(FOO) }

function source(bytes: Uint8Array): ByteSource {
  return { sizeBytes: bytes.byteLength, read: async ({ start, end }) => bytes.slice(start, end) }
}

const inspect = (filename: string, bytes: Uint8Array) => inspectDistribution(source(bytes), parseDistribution(filename))

async function refusal(filename: string, bytes: Uint8Array): Promise<string> {
  const outcome = await inspect(filename, bytes).catch((error: unknown) => error)
  if (!(outcome instanceof DepotError)) throw new Error(`not refused: ${String(outcome)}`)
  expect([outcome.code, outcome.status]).toEqual(['CONTENT_MISMATCH', 400])
  return outcome.message
}

describe('a wheel', () => {
  it('gives its METADATA byte for byte, and what that says', async () => {
    const wheel = buildWheel({ name: 'My.Pkg_x', version: '1.0+local', requiresPython: '>=3.8', requires: ['a>1'] })
    const { name, requiresPython, metadata } = await inspect(wheel.filename, wheel.bytes)
    expect([name, requiresPython]).toEqual(['My.Pkg_x', '>=3.8'])
    expect(Buffer.from(metadata ?? []).toString()).toBe(wheel.metadata)
  })

  it('may spell name and version in another way than its file name', async () => {
    const wheel = zip([{ ...INFO, content: coreMetadata({ name: 'FOO', version: '1.0.0' }) }])
    expect((await inspect(WHEEL, wheel)).name).toBe('FOO')
  })

  it('is refused when its METADATA lies', async () => {
    const other = (stated: object) => zip([{ ...INFO, content: coreMetadata({ ...FOO, stated }) }])
    expect(await refusal(WHEEL, other({ name: 'bar' }))).toContain('another project')
    expect(await refusal(WHEEL, other({ version: '9.9.9' }))).toContain('another version')
    expect(await refusal(WHEEL, other({ version: 'x' }))).toContain('another version')
    expect(await refusal(WHEEL, zip([{ ...INFO, content: 'no metadata' }]))).toContain('one Name and one Version')
    const control = `Requires-Python: >=3\u0007\n${INFO.content}`
    expect(await refusal(WHEEL, zip([{ ...INFO, content: control }]))).toContain('Requires-Python')
  })

  it('is refused without a METADATA of its own, and with two', async () => {
    expect(await refusal(WHEEL, zip([{ name: 'foo.py', content: '' }]))).toContain('no .dist-info/METADATA')
    expect(await refusal(WHEEL, zip([{ ...INFO, name: `a/${INFO.name}` }]))).toContain('no .dist-info/METADATA')
    expect(await refusal(WHEEL, zip([INFO, INFO]))).toContain('more than one')
    for (const name of ['bar-1.0.dist-info/METADATA', 'foobar-1.0.dist-info/METADATA'])
      expect(await refusal(WHEEL, zip([{ ...INFO, name }]))).toContain('another project')
    for (const name of ['Foo-1.0.dist-info/METADATA', 'foo-1.0.0.dist-info/METADATA'])
      expect((await inspect(WHEEL, zip([{ ...INFO, name }]))).name).toBe('Foo')
    expect(await refusal(WHEEL, zip([INFO, { ...INFO, name: 'bar-2.dist-info/METADATA' }]))).toContain('more than one')
  })

  it('is refused at every length but its own', async () => {
    const { filename, bytes } = buildWheel(FOO)
    for (let length = 0; length < bytes.byteLength; length += 7) await refusal(filename, bytes.subarray(0, length))
    await refusal(filename, bytes.subarray(0, -1))
    await refusal(filename, Buffer.concat([bytes, Buffer.from('more')]))
    await refusal(filename, Buffer.concat([Buffer.from('#!/bin/sh\n'), bytes]))
  })

  it('is refused with anything between its directory and its end, where another reader could see another archive', async () => {
    const bytes = zip([INFO])
    const end = bytes.byteLength - 22
    await refusal(WHEEL, Buffer.concat([bytes.subarray(0, end), Buffer.from('gap'), bytes.subarray(end)]))
  })

  it('is refused or read, and never crashes the reader, whichever byte of it is flipped', async () => {
    const { filename, bytes, metadata } = buildWheel(FOO)
    const surprises: string[] = []
    for (let index = 0; index < bytes.byteLength; index++) {
      const bent = Buffer.from(bytes)
      bent[index] = (bent[index] ?? 0) ^ 0xff
      const outcome = await inspect(filename, bent).catch((error: unknown) => error)
      const refused = outcome instanceof DepotError && outcome.status === 400
      const content = refused ? undefined : (outcome as { metadata?: Uint8Array }).metadata
      if (!refused && Buffer.from(content ?? []).toString() !== metadata)
        surprises.push(`byte ${index}: ${String(outcome)}`)
    }
    expect(surprises).toEqual([])
  })

  it.each(['/etc/passwd', '../../evil', 'a/../../b', 'a\\..\\b', 'C:/x', 'nul\0byte'])(
    'is refused with an entry named %j',
    async (name) => {
      expect(await refusal(WHEEL, zip([INFO, { name, content: 'x' }]))).toContain('outside')
    },
  )

  it('is refused when its METADATA is a bomb, announced or not', async () => {
    const bomb = Buffer.alloc(LIMITS.packageMetadataBytesMax + 1, 'a')
    expect(await refusal(WHEEL, zip([{ ...INFO, content: bomb }]))).toContain('more than')
    const lying = zip([{ ...INFO, content: bomb }])
    const directory = lying.lastIndexOf('PK\x01\x02', undefined, 'latin1')
    lying.writeUInt32LE(100, directory + 24)
    expect(await refusal(WHEEL, lying)).toContain('decompressed')
  })

  it('is refused when the local header bears another name, another method or encryption', async () => {
    const renamed = zip([INFO])
    renamed.write('bar', 30)
    expect(await refusal(WHEEL, renamed)).toContain('another name')
    const bent = (offset: number, value: number) => {
      const bytes = zip([INFO])
      bytes.writeUInt16LE(value, bytes.lastIndexOf('PK\x01\x02', undefined, 'latin1') + offset)
      return bytes
    }
    expect(await refusal(WHEEL, bent(10, 12))).toContain('compression')
    expect(await refusal(WHEEL, bent(8, 1))).toContain('encrypted')
  })

  it('is refused when its directory has other entries than it announces', async () => {
    const bytes = zip([INFO])
    bytes.writeUInt16LE(2, bytes.byteLength - 12)
    expect(await refusal(WHEEL, bytes)).toContain('announces')
  })
})

describe('a zip archive', () => {
  it('is looked into when few others are, because its directory may take much memory', async () => {
    const bytes = zip([INFO])
    let [now, most] = [0, 0]
    const looks = Array.from({ length: 20 }, async () => {
      let begun = false
      const counted: ByteSource = {
        sizeBytes: bytes.byteLength,
        async read({ start, end }) {
          if (!begun) most = Math.max(most, ++now)
          begun = true
          await new Promise((resolve) => setImmediate(resolve))
          return bytes.subarray(start, end)
        },
      }
      await inspectDistribution(counted, parseDistribution(WHEEL))
      now--
    })
    await Promise.all(looks)
    expect(most).toBe(LIMITS.zipsReadAtOnce)
  })

  it('is refused when its comment holds the end of another one, which other readers take for the end', async () => {
    const [one, other] = [zip([{ name: 'one' }]), zip([{ name: 'other' }])]
    const comment = Buffer.concat([other.subarray(-22), Buffer.from('!')])
    one.writeUInt16LE(comment.byteLength, one.byteLength - 2)
    await expect(readZipDirectory(source(Buffer.concat([one, comment])))).rejects.toThrow('not a whole zip file')
    const plain = zip([{ name: 'one' }])
    plain.writeUInt16LE(5, plain.byteLength - 2)
    expect(await readZipDirectory(source(Buffer.concat([plain, Buffer.from('hello')])))).toHaveLength(1)
  })

  it('is refused when its two directories differ: some readers see the one, some the other', async () => {
    const bytes = zip64('foo.txt', 'content')
    const end = bytes.byteLength - 22
    const record = bytes.indexOf('PK\x06\x06', undefined, 'latin1')
    for (const [field, value] of [
      [10, 2],
      [12, 7],
      [16, 7],
    ] as const) {
      const bent = Buffer.from(bytes)
      bent.writeUIntLE(value, end + field, field === 10 ? 2 : 4)
      await expect(readZipDirectory(source(bent)), String(field)).rejects.toThrow('Zip64')
    }
    const same = Buffer.from(bytes)
    same.writeUInt16LE(1, end + 10)
    same.writeUInt32LE(Number(bytes.readBigUInt64LE(record + 48)), end + 16)
    expect(await readZipDirectory(source(same))).toHaveLength(1)
  })

  it('is refused when its Zip64 record does not stand right before its locator: Python looks for it there', async () => {
    const bytes = zip64('foo.txt', 'content')
    const locator = bytes.byteLength - 42
    const gap = Buffer.concat([bytes.subarray(0, locator), Buffer.alloc(10), bytes.subarray(locator)])
    await expect(readZipDirectory(source(gap))).rejects.toThrow('Zip64')
  })

  it('is read with Zip64 fields and records, and with entries that are only stored', async () => {
    const bytes = zip64('foo.txt', 'content')
    const [entry] = await readZipDirectory(source(bytes))
    if (entry === undefined) throw new Error('no entry')
    expect(entry).toMatchObject({ name: 'foo.txt', sizeBytes: 7, compressedBytes: 7, headerOffset: 0 })
    expect(Buffer.from(await readZipEntry(source(bytes), entry, 100)).toString()).toBe('content')
  })

  it('with Zip64 numbers that lead nowhere is refused', async () => {
    const bytes = zip64('foo.txt', 'content')
    const record = bytes.indexOf('PK\x06\x06', undefined, 'latin1')
    for (const offset of [32, 40, 48]) {
      const bent = Buffer.from(bytes)
      bent.writeBigUInt64LE(2n ** 63n, record + offset)
      await expect(readZipDirectory(source(bent))).rejects.toThrow(DepotError)
    }
  })
})

describe('an sdist', () => {
  it.each(['tar.gz', 'zip'] as const)('gives what its PKG-INFO says, from a %s', async (archive) => {
    const sdist = buildSdist({ name: 'My.Pkg_x', version: '1.0', requiresPython: '>=3.9', archive })
    expect(await inspect(sdist.filename, sdist.bytes)).toEqual({
      name: 'My.Pkg_x',
      requiresPython: '>=3.9',
      metadata: undefined,
    })
  })

  it.each(['tar.gz', 'zip'] as const)(
    'gives its PKG-INFO byte for byte where it holds for wheels, from a %s',
    async (archive) => {
      const options = { name: 'foo', version: '1.0', metadataVersion: '2.4', requires: ['bar'], archive }
      const sdist = buildSdist(options)
      expect(Buffer.from((await inspect(sdist.filename, sdist.bytes)).metadata ?? []).toString()).toBe(sdist.metadata)
      const built = buildSdist({ ...options, headers: ['Dynamic: Requires-Dist'] })
      expect((await inspect(built.filename, built.bytes)).metadata).toBeUndefined()
    },
  )

  it('may have none: old ones do not', async () => {
    const bytes = tarGz([
      { name: 'foo-1.0/setup.py', content: '' },
      { ...PKG_INFO, name: 'foo-1.0/foo.egg-info/PKG-INFO' },
    ])
    expect(await inspect(SDIST, bytes)).toEqual({ name: 'foo', requiresPython: undefined, metadata: undefined })
  })

  it('is read in the old tar format that has no magic', async () => {
    const bytes = tar([PKG_INFO])
    bytes.fill(0, 257, 265)
    const sum = bytes
      .subarray(0, 512)
      .reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0)
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    expect((await inspect(SDIST, gzipSync(bytes))).name).toBe('Foo')
  })

  it.each([
    ['another name', { name: 'bar' }, 'another project'],
    ['another version', { version: '2.0' }, 'another version'],
  ])('is refused when its PKG-INFO has %s', async (_what, stated, message) => {
    const bytes = tarGz([{ ...PKG_INFO, content: coreMetadata({ ...FOO, stated }) }])
    expect(await refusal(SDIST, bytes)).toContain(message)
  })

  it('is refused with two PKG-INFO', async () => {
    expect(await refusal(SDIST, tarGz([PKG_INFO, PKG_INFO]))).toContain('more than one')
    expect(await refusal('foo-1.0.zip', zip([PKG_INFO, PKG_INFO]))).toContain('more than one')
  })

  it.each<[string, ArchiveFile]>([
    ['an absolute path', { name: '/etc/cron.d/evil', content: 'x' }],
    ['a path that climbs', { name: 'foo-1.0/../../evil', content: 'x' }],
    ['a climbing symlink', { name: '../link', type: '2', linkname: '/etc' }],
  ])('is refused with %s', async (_what, file) => {
    expect(await refusal(SDIST, tarGz([PKG_INFO, file]))).toContain('outside')
  })

  it.each<[string, ArchiveFile]>([
    ['symlink', { ...PKG_INFO, content: '', type: '2', linkname: '/etc/passwd' }],
    ['hard link', { ...PKG_INFO, content: '', type: '1', linkname: 'foo-1.0/setup.py' }],
    ['device', { ...PKG_INFO, content: '', type: '3' }],
    ['fifo', { ...PKG_INFO, content: '', type: '6' }],
  ])('takes no metadata from a %s', async (_what, file) => {
    expect(await inspect(SDIST, tarGz([file]))).toMatchObject({ name: 'foo', requiresPython: undefined })
    const real = { ...PKG_INFO, content: coreMetadata({ ...FOO, requiresPython: '>=3' }) }
    expect(await inspect(SDIST, tarGz([file, real]))).toMatchObject({ name: 'Foo', requiresPython: '>=3' })
  })

  it('takes the name of an entry from its pax or GNU header, as Python does', async () => {
    const pax = 'path=foo-1.0/PKG-INFO\n'
    const record = `${pax.length + 3} ${pax}`
    const long = { name: '././@LongLink', type: 'L', content: 'foo-1.0/PKG-INFO\0' }
    expect(
      (
        await inspect(
          SDIST,
          tarGz([
            { name: 'x', type: 'x', content: record },
            { ...PKG_INFO, name: 'y' },
          ]),
        )
      ).name,
    ).toBe('Foo')
    expect((await inspect(SDIST, tarGz([long, { ...PKG_INFO, name: 'y' }]))).name).toBe('Foo')
    const climbing = 'path=../../evil\n'
    const evil = { name: 'x', type: 'x', content: `${climbing.length + 3} ${climbing}` }
    expect(await refusal(SDIST, tarGz([evil, { ...PKG_INFO, name: 'y' }]))).toContain('outside')
  })

  it('is refused when it is cut anywhere, or is no archive at all', async () => {
    const { filename, bytes } = buildSdist(FOO)
    for (let length = 0; length < bytes.byteLength; length += 31) await refusal(filename, bytes.subarray(0, length))
    await refusal(filename, bytes.subarray(0, -1))
    await refusal(filename, Buffer.from('not an archive'))
    await refusal(filename, gzipSync('not a tar archive'.repeat(100)))
    await refusal(filename, gzipSync(tar([PKG_INFO]).subarray(0, 700)))
    await refusal(filename, Buffer.concat([bytes, Buffer.from('garbage behind the end')]))
  })

  it('is refused or read, and never crashes the reader, whichever byte of its tar is flipped', async () => {
    const plain = tar([PKG_INFO, { name: 'foo-1.0/setup.py', content: 'x' }])
    const surprises: string[] = []
    for (let index = 0; index < plain.byteLength; index += 3) {
      const bent = Buffer.from(plain)
      bent[index] = (bent[index] ?? 0) ^ 0xff
      const outcome = await inspect(SDIST, gzipSync(bent, { level: 1 })).catch((error: unknown) => error)
      if (outcome instanceof DepotError ? outcome.status !== 400 : outcome instanceof Error)
        surprises.push(`byte ${index}: ${String(outcome)}`)
    }
    expect(surprises).toEqual([])
  })

  it('is refused when its PKG-INFO, or a header of it, is a bomb', async () => {
    const content = Buffer.alloc(LIMITS.packageMetadataBytesMax + 1, ' ')
    expect(await refusal(SDIST, tarGz([{ ...PKG_INFO, content }]))).toContain('more than')
    await refusal(SDIST, tarGz([{ name: 'x', type: 'x', content: Buffer.alloc(5 * 1024 * 1024, ' ') }, PKG_INFO]))
  })
})

/** One stored entry whose sizes and offset stand in Zip64 fields, and a directory that a Zip64 record points to. */
function zip64(name: string, content: string): Buffer {
  const plain = zip([{ name, content }])
  const crc = plain.readUInt32LE(14)
  const local = Buffer.alloc(30)
  local.write('PK\x03\x04', 'latin1')
  local.writeUInt32LE(crc, 14)
  local.writeUInt32LE(content.length, 18)
  local.writeUInt32LE(content.length, 22)
  local.writeUInt16LE(name.length, 26)
  const extra = Buffer.alloc(28)
  extra.writeUInt16LE(1, 0)
  extra.writeUInt16LE(24, 2)
  extra.writeBigUInt64LE(BigInt(content.length), 4)
  extra.writeBigUInt64LE(BigInt(content.length), 12)
  const central = Buffer.alloc(46)
  central.write('PK\x01\x02', 'latin1')
  central.writeUInt32LE(crc, 16)
  central.writeUInt32LE(0xffffffff, 20)
  central.writeUInt32LE(0xffffffff, 24)
  central.writeUInt16LE(name.length, 28)
  central.writeUInt16LE(extra.length, 30)
  central.writeUInt32LE(0xffffffff, 42)
  const directory = Buffer.concat([central, Buffer.from(name), extra])
  const offset = 30 + name.length + content.length
  const record = Buffer.alloc(56)
  record.write('PK\x06\x06', 'latin1')
  record.writeBigUInt64LE(1n, 24)
  record.writeBigUInt64LE(1n, 32)
  record.writeBigUInt64LE(BigInt(directory.length), 40)
  record.writeBigUInt64LE(BigInt(offset), 48)
  const locator = Buffer.alloc(20)
  locator.write('PK\x06\x07', 'latin1')
  locator.writeBigUInt64LE(BigInt(offset + directory.length), 8)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.fill(0xff, 8, 20)
  return Buffer.concat([local, Buffer.from(name), Buffer.from(content), directory, record, locator, end])
}
