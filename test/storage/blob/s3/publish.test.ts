import { readdir } from 'node:fs/promises'

import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'

import { blobLocation } from '../../../../src/blobs/blob-location.ts'
import type { BlobStore } from '../../../../src/blobs/blob-store.ts'
import { DepotError } from '../../../../src/errors.ts'
import { LIMITS } from '../../../../src/limits.ts'
import { openS3BlobStore } from '../../../../storage/blob/s3/store.ts'
import { startS3Proxy, type S3Fault } from '../../../faults/s3-proxy.ts'
import { describeWith, have } from '../../../helpers/have.ts'
import { openS3World, s3OptionsOf } from '../../../helpers/s3-store.ts'
import { startS3Server } from '../../../helpers/s3-server.ts'
import { createBucket } from '../../../helpers/s3.ts'
import { fillUp, smallVolume } from '../../../helpers/small-volume.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'

const LOCATION = blobLocation('main', 'cd'.repeat(32))
const MANY_PARTS = 5 * LIMITS.s3PartBytes + 1000

async function publish(store: BlobStore, content: Uint8Array, location = LOCATION): Promise<void> {
  await using staged = await store.stage()
  await staged.write(content)
  await staged.publish(location)
}

async function contentOf(store: BlobStore, location = LOCATION): Promise<Buffer> {
  await using stored = await store.open(location)
  const target = Buffer.alloc(stored.sizeBytes)
  await stored.read(target, 0)
  return target
}

function numbered(sizeBytes: number): Buffer {
  return Buffer.alloc(
    sizeBytes,
    Uint8Array.from({ length: 65_521 }, (_, index) => (index * 7) % 256),
  )
}

describe.each(['s3', 's3Second', 's3Odd'] as const)('an upload into a bucket of %s', (server) => {
  describeWith(server, 'of many parts', () => {
    it('is whole', async () => {
      await using world = await openS3World(have.paths[server])
      const content = numbered(MANY_PARTS)
      await publish(world.store, content)
      expect((await contentOf(world.store)).equals(content)).toBe(true)
      expect(await world.leftovers()).toEqual([])
    })

    it('is whole without checksums and below no prefix', async () => {
      await using world = await openS3World(have.paths[server], { checksums: false, prefix: '' })
      const content = numbered(MANY_PARTS)
      await publish(world.store, content)
      expect((await contentOf(world.store)).equals(content)).toBe(true)
      expect(await world.bucket.keys()).toEqual([LOCATION])
    })
  })
})

// Without moto, which says of every upload in parts that it began in 2010, and takes any signature, also one that is too old.
describe.each(['s3', 's3Second'] as const)('a bucket of %s', (server) => {
  describeWith(server, 'that knows the time and who asks', () => {
    it('is rid of what was begun by a process that is gone, and keeps what is others’', async () => {
      await using world = await openS3World(have.paths[server])
      const { client, bucket } = world.bucket
      const begin = (Key: string) => client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }))
      await begin(`${world.options.prefix}${LOCATION}`)
      const { UploadId } = await begin('elsewhere/file')
      await using dir = await tempDir('s3-sweep')
      {
        await using _young = await openS3BlobStore({ s3: world.options, spool: dir.path })
        await expect.poll(() => world.bucket.openUploads()).toHaveLength(2)
      }
      await using _old = await openS3BlobStore({ s3: world.options, spool: dir.path, times: { abandonedMs: -60_000 } })
      await expect.poll(() => world.bucket.openUploads()).toEqual(['elsewhere/file'])
      await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: 'elsewhere/file', UploadId }))
    })

    it('is rid of what a start that was killed has tried it with, and keeps what has such a name', async () => {
      await using world = await openS3World(have.paths[server])
      const { client, bucket } = world.bucket
      const [probe, other] = ['probe-0123456789abcdef', 'probe-of-mine'].map((name) => world.options.prefix + name)
      for (const Key of [probe, other]) await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))
      await using dir = await tempDir('s3-sweep')
      {
        await using _young = await openS3BlobStore({ s3: world.options, spool: dir.path })
        expect(await world.bucket.keys()).toContain(probe)
      }
      await using _old = await openS3BlobStore({ s3: world.options, spool: dir.path, times: { abandonedMs: -60_000 } })
      await expect.poll(() => world.bucket.keys()).toEqual([other])
    })

    it('gives a URL at which anybody reads it for a while, as what it is said to be', async () => {
      await using world = await openS3World(have.paths[server])
      await publish(world.store, Buffer.from('public for a while'))
      const headers = { contentType: 'application/x-nix-nar', cacheControl: 'max-age=60' }
      const url = (await world.store.url?.(LOCATION, { expiresSeconds: 60, headers })) ?? ''
      const answer = await fetch(url)
      expect([answer.status, await answer.text()]).toEqual([200, 'public for a while'])
      expect(answer.headers.get('content-type')).toBe('application/x-nix-nar')
      expect(answer.headers.get('cache-control')).toBe('max-age=60')
      expect((await fetch(url, { headers: { Range: 'bytes=0-5' } })).status).toBe(206)
      expect((await fetch(url.replace(/Signature=..../, 'Signature=0000'))).status).toBe(403)
      expect(url).not.toContain(world.bucket.secretAccessKey)
      const short = (await world.store.url?.(LOCATION, { expiresSeconds: 1 })) ?? ''
      await expect.poll(async () => (await fetch(short)).status).toBe(403)
    })
  })
})

describeWith('s3', 'an upload into a bucket', () => {
  it('is stored with the class that was asked for', async () => {
    await using world = await openS3World(have.paths.s3, { storageClass: 'STANDARD' })
    await publish(world.store, Buffer.from('x'))
    const head = new HeadObjectCommand({ Bucket: world.bucket.bucket, Key: world.options.prefix + LOCATION })
    expect((await world.bucket.client.send(head)).StorageClass ?? 'STANDARD').toBe('STANDARD')
  })

  it.each([
    ['slow-down', 1000],
    ['internal-error', 1000],
    ['reset', 1000],
    ['slow-down', MANY_PARTS],
    ['reset', MANY_PARTS],
  ] as const)('is sent again where S3 fails now and then (%s, %d bytes)', async (fault, sizeBytes) => {
    await using world = await openS3World(have.paths.s3)
    let count = 0
    await using proxy = await startS3Proxy(world.bucket.endpoint, (): S3Fault =>
      ++count % 4 === 0 ? fault : undefined,
    )
    await using dir = await tempDir('s3-publish')
    const s3 = s3OptionsOf(world.bucket, { endpoint: proxy.endpoint })
    await using store = await openS3BlobStore({ s3, spool: dir.path })
    const content = numbered(sizeBytes)
    for (let index = 0; index < 3; index++) await publish(store, content)
    expect(proxy.met.get(fault)).toBeGreaterThan(1)
    expect((await contentOf(world.store)).equals(content)).toBe(true)
    expect(await readdir(dir.path)).toEqual([])
  })

  it('that fails in the middle is aborted, and can be published again', async () => {
    await using world = await openS3World(have.paths.s3)
    let fails = false
    const isThird = (url = '') => url.includes('partNumber=3&')
    await using proxy = await startS3Proxy(world.bucket.endpoint, ({ url }) =>
      fails && isThird(url) ? 'internal-error' : undefined,
    )
    await using dir = await tempDir('s3-publish')
    const s3 = s3OptionsOf(world.bucket, { endpoint: proxy.endpoint })
    await using store = await openS3BlobStore({ s3, spool: dir.path })
    await using staged = await store.stage()
    const content = numbered(MANY_PARTS)
    await staged.write(content)
    fails = true
    await expect(staged.publish(LOCATION)).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    expect(await world.bucket.openUploads()).toEqual([])
    expect(await world.store.stat(LOCATION)).toBeUndefined()
    fails = false
    await staged.publish(LOCATION)
    expect((await contentOf(world.store)).equals(content)).toBe(true)
  })

  it('fails within ten seconds when S3 fails all the time', async () => {
    await using world = await openS3World(have.paths.s3)
    await using proxy = await startS3Proxy(world.bucket.endpoint)
    await using dir = await tempDir('s3-publish')
    const s3 = s3OptionsOf(world.bucket, { endpoint: proxy.endpoint })
    await using store = await openS3BlobStore({ s3, spool: dir.path })
    proxy.judge = () => 'slow-down'
    const start = performance.now()
    await expect(publish(store, Buffer.from('x'))).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    await expect(store.stat(LOCATION)).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    await expect(store.ping?.()).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    expect(performance.now() - start).toBeLessThan(3 * 10_000)
    proxy.judge = () => undefined
    await publish(store, Buffer.from('x'))
  })

  it('that was left behind and cannot be removed does not keep the others that were', async () => {
    await using world = await openS3World(have.paths.s3)
    const { client, bucket } = world.bucket
    const [first, second] = [LOCATION, blobLocation('main', 'ef'.repeat(32))].map((at) => world.options.prefix + at)
    for (const Key of [first, second]) await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }))
    await using proxy = await startS3Proxy(world.bucket.endpoint, ({ method, url = '' }) =>
      method === 'DELETE' && url.includes(LOCATION) ? 'denied' : undefined,
    )
    await using dir = await tempDir('s3-sweep')
    const s3 = s3OptionsOf(world.bucket, { endpoint: proxy.endpoint })
    await using _store = await openS3BlobStore({ s3, spool: dir.path, times: { abandonedMs: -60_000 } })
    await expect.poll(() => world.bucket.openUploads()).toEqual([first])
    expect(proxy.met.get('denied')).toBe(1)
  })

  it('does not stop for an object in its way: it fails, and says so', async () => {
    await using world = await openS3World(have.paths.s3, { prefix: '' })
    const { client, bucket } = world.bucket
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'main', Body: 'in the way' }))
    await expect(publish(world.store, Buffer.from('x'))).rejects.toMatchObject({
      code: 'STORAGE_DOWN',
      cause: { message: expect.stringContaining('an object of somebody else is in the way') },
    })
  })
})

describeWith(['s3', 'tmpfs'], 'the folder where uploads wait', () => {
  it('may fill up: that upload fails, and nothing stays', async () => {
    await using bucket = await createBucket(have.paths.s3)
    await using volume = await smallVolume(8)
    await using store = await openS3BlobStore({ s3: s3OptionsOf(bucket), spool: volume.join('spool') })
    await fillUp(volume.path, volume.join('ballast'), 1024 * 1024)
    await expect(publish(store, numbered(4 * 1024 * 1024))).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    expect(await readdir(volume.join('spool'))).toEqual([])
    await publish(store, Buffer.from('small'))
  })
})

describeWith(['s3', 'tmpfs'], 'a bucket on a server that is full', () => {
  it.each([4 * 1024 * 1024, 20 * 1024 * 1024])('says so (%d bytes), and takes what fits', async (sizeBytes) => {
    await using volume = await smallVolume(16)
    await using server = await startS3Server(volume.path)
    await using world = await openS3World(server.url)
    await publish(world.store, numbered(6 * 1024 * 1024))
    await fillUp(volume.path, volume.join('ballast'), 3 * 1024 * 1024)
    const other = blobLocation('main', 'ef'.repeat(32))
    await expect(publish(world.store, numbered(sizeBytes), other)).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    // It has room again when it has seen that the connections of the other parts were cut.
    const small = Buffer.from('small')
    await expect.poll(() => publish(world.store, small, other).then(() => 'taken', codeOf)).toBe('taken')
    expect(await contentOf(world.store, other)).toEqual(small)
    expect(await world.leftovers()).toEqual([])
  })
})

function codeOf(error: unknown): unknown {
  return error instanceof DepotError ? error.code : error
}
