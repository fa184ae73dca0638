import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect, it } from 'vitest'

import { LIMITS } from '../../src/limits.ts'
import { describeWith, have } from '../helpers/have.ts'
import { s3Environment } from '../helpers/s3-store.ts'
import { createBucket, type TestBucket } from '../helpers/s3.ts'
import { startServerProcess, type ServerProcess } from '../helpers/server-process.ts'
import { wheelUpload } from '../helpers/slow-transfers.ts'
import { startS3Proxy, type S3Proxy } from './s3-proxy.ts'
import { startWireProxy, type WireProxy } from './wire-proxy.ts'

const MIB = 1024 * 1024
const TIME = { timeout: 120_000 }
const POLL = { timeout: 60_000 }

interface Served extends AsyncDisposable {
  readonly depot: ServerProcess
  readonly bucket: TestBucket
  /** A wheel that was uploaded, and where it is read. */
  readonly content: Buffer
  readonly url: string
}

/** A depot over a bucket, reached at `endpoint`, with one wheel of so many random bytes. */
async function served(bucket: TestBucket, endpoint: string, sizeBytes: number): Promise<Served> {
  const depot = await startServerProcess({ env: s3Environment(bucket, { DEPOT_S3_ENDPOINT: endpoint }) })
  const { path, content } = wheelUpload('large', randomBytes(sizeBytes))
  const { status } = await fetch(depot.url + path, { method: 'PUT', body: Uint8Array.from(content) })
  expect(status).toBe(201)
  return { depot, bucket, content, url: depot.url + path, [Symbol.asyncDispose]: () => depot[Symbol.asyncDispose]() }
}

/** Memory of a process, in MiB. */
async function residentMib({ pid }: ServerProcess): Promise<number> {
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

/** Begin to read, over a connection of its own. */
async function begin(url: string): Promise<IncomingMessage> {
  const outgoing = request(url, { agent: false })
  outgoing.end()
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  return answer
}

async function proxied(bucket: TestBucket): Promise<WireProxy & { readonly endpoint: string }> {
  const wire = await startWireProxy(bucket.endpoint)
  return Object.assign(wire, { endpoint: `http://${wire.host}:${wire.port}` })
}

describeWith('s3', 'readers of a large blob in a bucket', () => {
  it('cost no memory that grows with it, be they a hundred and slow', TIME, async () => {
    await using bucket = await createBucket(have.paths.s3)
    await using world = await served(bucket, bucket.endpoint, 200 * MIB)
    const before = await residentMib(world.depot)
    const { hostname, port, host, pathname } = new URL(world.url)
    const readers = Array.from({ length: 100 }, () => {
      const socket = connect(Number(port), hostname).pause()
      socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      return socket
    })
    for (let round = 0; round < 30; round++) {
      for (const socket of readers) socket.read(5000)
      await sleep(100)
    }
    expect((await residentMib(world.depot)) - before).toBeLessThan(150 + 100 / 4)
    expect((await fetch(`${world.depot.url}/readyz`)).status).toBe(200)
    for (const socket of readers) socket.destroy()
  })

  it('who go away give their connections to S3 back at once', TIME, async () => {
    await using bucket = await createBucket(have.paths.s3)
    await using wire = await proxied(bucket)
    await using world = await served(bucket, wire.endpoint, 30 * MIB)
    const idle = wire.open()
    const readers = await Promise.all(Array.from({ length: 20 }, () => begin(world.url)))
    expect(wire.open()).toBeGreaterThanOrEqual(20)
    for (const reader of readers) reader.destroy()
    // Sooner than anything of them would be found to have lasted too long.
    await expect.poll(() => wire.open(), { timeout: LIMITS.s3StallMs / 2 }).toBeLessThanOrEqual(idle + 1)
  })

  it('are cut, and never see a whole one, when S3 goes away in the middle', TIME, async () => {
    await using bucket = await createBucket(have.paths.s3)
    await using wire = await proxied(bucket)
    await using world = await served(bucket, wire.endpoint, 60 * MIB)
    const reader = await begin(world.url)
    await once(reader, 'readable')
    wire.faults.refusing = true
    wire.resetAll()
    const received = await reader.toArray().then(
      () => 'whole',
      (error: unknown) => String(error),
    )
    expect(received).toContain('aborted')
    expect((await fetch(world.url)).status).toBe(503)
    wire.faults.refusing = false
    expect(Buffer.from(await (await fetch(world.url)).arrayBuffer()).equals(world.content)).toBe(true)
  })

  it('notice nothing of a connection that breaks now and then', TIME, async () => {
    await using bucket = await createBucket(have.paths.s3)
    await using wire = await proxied(bucket)
    await using world = await served(bucket, wire.endpoint, 60 * MIB)
    const reader = await begin(world.url)
    await once(reader, 'readable')
    wire.resetAll()
    expect(Buffer.concat((await reader.toArray()) as Buffer[]).equals(world.content)).toBe(true)
  })
})

describeWith('s3', 'requests about a blob in a bucket', () => {
  /** `asked`: what of blobs; more than once when S3 is slow to answer. */
  async function watched(): Promise<Served & { readonly proxy: S3Proxy; readonly asked: string[] }> {
    const bucket = await createBucket(have.paths.s3)
    const proxy = await startS3Proxy(bucket.endpoint)
    const world = await served(bucket, proxy.endpoint, 3 * MIB)
    const asked: string[] = []
    proxy.judge = ({ method = '', url = '', headers }) => {
      if (url.includes('/sha256/')) asked.push(headers.range === undefined ? method : `${method} ${headers.range}`)
      return undefined
    }
    return {
      ...world,
      proxy,
      asked,
      async [Symbol.asyncDispose]() {
        await world[Symbol.asyncDispose]()
        await proxy[Symbol.asyncDispose]()
        await bucket[Symbol.asyncDispose]()
      },
    }
  }

  it('that want no body get none out of it: HEAD, and what the client has', TIME, async () => {
    await using world = await watched()
    const head = await fetch(world.url, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(world.content.byteLength)])
    const known = await fetch(world.url, { headers: { 'If-None-Match': head.headers.get('etag') ?? '' } })
    expect(known.status).toBe(304)
    expect(new Set(world.asked)).toEqual(new Set(['HEAD']))
  })

  it('that want a part get that part out of it', TIME, async () => {
    await using world = await watched()
    const part = await fetch(world.url, { headers: { Range: 'bytes=2000000-2000999' } })
    expect(Buffer.from(await part.arrayBuffer()).equals(world.content.subarray(2_000_000, 2_001_000))).toBe(true)
    expect(new Set(world.asked)).toEqual(new Set(['GET bytes=2000000-2000999']))
  })

  it('are answered 503 while S3 fails, with a time to come back, and /readyz says so', TIME, async () => {
    await using world = await watched()
    world.proxy.judge = () => 'slow-down'
    const start = performance.now()
    const answer = await fetch(world.url)
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5'])
    // Of a busy machine, as much time again.
    expect(performance.now() - start).toBeLessThan(2 * LIMITS.s3AnswerMs)
    expect((await fetch(`${world.depot.url}/readyz`)).status).toBe(503)
    world.proxy.judge = () => undefined
    await expect.poll(async () => (await fetch(`${world.depot.url}/readyz`)).status, POLL).toBe(200)
    expect((await fetch(world.url)).status).toBe(200)
  })
})
