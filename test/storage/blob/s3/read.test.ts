import { setImmediate } from 'node:timers/promises'

import { expect, it } from 'vitest'

import { blobLocation } from '../../../../src/blobs/blob-location.ts'
import type { BlobStore, StoredBytes } from '../../../../src/blobs/blob-store.ts'
import { LIMITS } from '../../../../src/limits.ts'
import type { S3Times } from '../../../../storage/blob/s3/options.ts'
import { openS3BlobStore } from '../../../../storage/blob/s3/store.ts'
import { startS3Proxy, type S3Fault, type S3Proxy } from '../../../faults/s3-proxy.ts'
import { startWireProxy, type WireProxy } from '../../../faults/wire-proxy.ts'
import { describeWith, have } from '../../../helpers/have.ts'
import { createBucket } from '../../../helpers/s3.ts'
import { s3OptionsOf } from '../../../helpers/s3-store.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'

const LOCATION = blobLocation('main', 'ab'.repeat(32))
const SIZE = 5 * 1024 * 1024 + 7
/** It comes again after 251 KiB only. */
const CONTENT = Buffer.alloc(
  SIZE,
  Uint8Array.from({ length: 251 * 1024 }, (_, index) => (index * 31 + (index >> 10)) % 251),
)

interface Troubled extends AsyncDisposable {
  readonly store: BlobStore
  readonly proxy: S3Proxy
  /** What was asked since the blob was published: `GET`, or `GET bytes=5-9`. */
  readonly asked: readonly string[]
}

/** Requests are counted: a server that takes its time is not asked twice. */
const PATIENT = { besideMs: 60_000 }

/** A store behind a proxy that fails as it is told, with one large blob in it. */
async function troubled(
  fault: (request: number) => S3Fault = () => undefined,
  times: Partial<S3Times> = {},
): Promise<Troubled> {
  await using opening = new AsyncDisposableStack()
  const bucket = opening.use(await createBucket(have.paths.s3))
  const dir = opening.use(await tempDir('s3-read'))
  const proxy = opening.use(await startS3Proxy(bucket.endpoint))
  const options = s3OptionsOf(bucket, { endpoint: proxy.endpoint })
  const store = opening.use(await openS3BlobStore({ s3: options, spool: dir.path, times: { ...PATIENT, ...times } }))
  await publish(store, CONTENT)
  const asked: string[] = []
  proxy.judge = ({ method = '', url = '', headers }) => {
    // A sweep begins with the store, and goes on for as long as the server takes to answer it.
    if (!url.includes(LOCATION)) return undefined
    asked.push([method, headers.range].filter((part) => part !== undefined).join(' '))
    return fault(asked.length)
  }
  const opened = opening.move()
  return { store, proxy, asked, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

/** A store whose connections are counted, and may be cut, with that blob in it. */
async function behindWire(
  content: Uint8Array,
  url = have.paths.s3,
): Promise<AsyncDisposable & { readonly store: BlobStore; readonly wire: WireProxy }> {
  await using opening = new AsyncDisposableStack()
  const bucket = opening.use(await createBucket(url))
  const dir = opening.use(await tempDir('s3-read'))
  const wire = opening.use(await startWireProxy(bucket.endpoint))
  const options = s3OptionsOf(bucket, { endpoint: `http://${wire.host}:${wire.port}` })
  const store = opening.use(await openS3BlobStore({ s3: options, spool: dir.path }))
  await publish(store, content)
  const opened = opening.move()
  return { store, wire, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

async function publish(store: BlobStore, content: Uint8Array): Promise<void> {
  await using staged = await store.stage()
  await staged.write(content)
  await staged.publish(LOCATION)
}

async function readAll(stored: StoredBytes, start = 0, end = SIZE, step = 100_000): Promise<Buffer> {
  const target = Buffer.alloc(end - start)
  for (let filled = 0; filled < target.byteLength;) {
    const count = await stored.read(target.subarray(filled, filled + step), start + filled)
    if (count === 0) throw new Error('it ended')
    filled += count
  }
  return target
}

describeWith('s3', 'a blob in a bucket', () => {
  it('is read by one GET, however small the pieces', async () => {
    await using world = await troubled()
    await using stored = await world.store.open(LOCATION)
    expect((await readAll(stored)).equals(CONTENT)).toBe(true)
    expect(world.asked).toEqual(['GET'])
  })

  it.each([LIMITS.s3TakenBytesMin - 1, SIZE])('of %i bytes is right however slowly it is read', async (end) => {
    await using world = await troubled()
    await using stored = await world.store.open(LOCATION, { start: 0, end })
    const content = Buffer.alloc(end)
    let step = 1
    for (let filled = 0; filled < end; step = (step * 7) % 99_991) {
      filled += await stored.read(content.subarray(filled, filled + step), filled)
      await setImmediate()
    }
    expect(content.equals(CONTENT.subarray(0, end))).toBe(true)
    expect(world.asked).toEqual([`GET bytes=0-${end - 1}`])
  })

  it('is read to its end although it was deleted meanwhile', async () => {
    await using world = await troubled()
    await using stored = await world.store.open(LOCATION)
    await stored.read(new Uint8Array(10), 0)
    await world.store.delete(LOCATION)
    expect((await readAll(stored, 10)).equals(CONTENT.subarray(10))).toBe(true)
  })

  it('costs no GET where only its size is wanted, and can be read all the same', async () => {
    await using world = await troubled()
    await using stored = await world.store.open(LOCATION, { start: 0, end: 0 })
    expect([stored.sizeBytes, world.asked]).toEqual([SIZE, ['HEAD']])
    expect((await readAll(stored, 5, 9)).equals(CONTENT.subarray(5, 9))).toBe(true)
  })

  it('is asked for where it is wanted, up to where', async () => {
    await using world = await troubled()
    await using stored = await world.store.open(LOCATION, { start: 1_000_000, end: 3_000_000 })
    expect(stored.sizeBytes).toBe(SIZE)
    expect((await readAll(stored, 1_000_000, 3_000_000)).equals(CONTENT.subarray(1_000_000, 3_000_000))).toBe(true)
    expect(world.asked).toEqual(['GET bytes=1000000-2999999'])
  })

  it('tells its size where another one was expected', async () => {
    await using world = await troubled()
    await using stored = await world.store.open(LOCATION, { start: SIZE + 10, end: SIZE + 20 })
    expect(stored.sizeBytes).toBe(SIZE)
  })

  it('is read on past a small gap, and asked for anew behind a large one and before it', async () => {
    await using world = await troubled()
    await using stored = await world.store.open(LOCATION)
    const far = 200_000 + LIMITS.s3SkipBytesMax + 1
    for (const start of [0, 100_000, far, 50_000])
      expect((await readAll(stored, start, start + 1000)).equals(CONTENT.subarray(start, start + 1000))).toBe(true)
    expect(world.asked).toEqual(['GET', `GET bytes=${far}-${SIZE - 1}`, `GET bytes=50000-${SIZE - 1}`])
  })

  it.each(['short', 'stall', 'reset'] as const)('is taken up where a connection broke (%s)', async (fault) => {
    // More than a good answer stands still on a busy machine: it would be asked for anew, too.
    await using world = await troubled((request) => (request === 1 ? fault : undefined), { stallMs: 3000 })
    await using stored = await world.store.open(LOCATION)
    expect((await readAll(stored)).equals(CONTENT)).toBe(true)
    expect(world.asked.length).toBe(2)
  })

  it.each(['slow-down', 'internal-error'] as const)('is asked for again when S3 says %s', async (fault) => {
    await using world = await troubled((request) => (request < 3 ? fault : undefined))
    await using stored = await world.store.open(LOCATION)
    expect((await readAll(stored)).equals(CONTENT)).toBe(true)
  })

  it.each(['short', 'stall'] as const)(
    'fails when every connection breaks (%s), and never looks whole',
    async (fault) => {
      // The first half comes, then half of what is left each time: the end never does.
      await using world = await troubled(() => fault, { stallMs: 300 })
      await using stored = await world.store.open(LOCATION)
      const reading = stored.read(Buffer.alloc(SIZE), 0)
      await expect(reading).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
      expect(world.asked.length).toBe(1 + LIMITS.s3ResumesMax)
    },
  )

  it('is not put together from two objects', async () => {
    await using world = await troubled((request) => (request === 1 ? 'short' : undefined))
    await using stored = await world.store.open(LOCATION)
    await stored.read(new Uint8Array(10), 0)
    await publish(world.store, CONTENT.toReversed())
    await expect(readAll(stored, 10)).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
  })

  it('gives its connection back when nobody reads any more', async () => {
    await using wired = await behindWire(Buffer.concat([CONTENT, CONTENT, CONTENT, CONTENT]))
    const { store, wire } = wired
    const idle = wire.open()
    const opened = await Promise.all(Array.from({ length: 8 }, () => store.open(LOCATION)))
    // Idle ones may be among them, or end meanwhile.
    expect(wire.open()).toBeGreaterThanOrEqual(8)
    const waiting = opened.map((stored) => stored.read(Buffer.alloc(4 * SIZE), 0))
    wire.faults.after = { bytes: 0, end: 'stall' }
    await Promise.all(opened.map((stored) => stored[Symbol.asyncDispose]()))
    await Promise.allSettled(waiting)
    await expect.poll(() => wire.open()).toBeLessThanOrEqual(idle)
  })
})

// One that keeps connections: not all do.
describeWith('s3Second', 'small blobs that are read one after another', () => {
  it('come by connections that others have used', async () => {
    await using wired = await behindWire(CONTENT.subarray(0, 1000), have.paths.s3Second)
    const { store, wire } = wired
    const before = wire.accepted()
    for (let count = 0; count < 20; count++) {
      await using stored = await store.open(LOCATION)
      expect((await readAll(stored, 0, 1000)).equals(CONTENT.subarray(0, 1000))).toBe(true)
    }
    // One of theirs, and those of a sweep that begins with the store.
    expect(wire.accepted() - before).toBeLessThan(10)
  })
})
