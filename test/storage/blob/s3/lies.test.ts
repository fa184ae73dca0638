import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { describe, expect, it } from 'vitest'

import { blobLocation } from '../../../../src/blobs/blob-location.ts'
import type { BlobStore } from '../../../../src/blobs/blob-store.ts'
import type { S3Times } from '../../../../storage/blob/s3/options.ts'
import { openS3BlobStore } from '../../../../storage/blob/s3/store.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'

const LOCATION = blobLocation('main', 'ab'.repeat(32))
const EMPTY_LIST = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'
const UPLOADS = /[?&]uploads/
const ETAG = { ETag: '"x"' }

/** Answers in place of S3; returns false to be honest. */
type Lie = (request: IncomingMessage, answer: ServerResponse) => unknown

interface Lied extends AsyncDisposable {
  readonly store: BlobStore
  lie: Lie
  /** Connections that are open. */
  connections(): Promise<number>
  /** What was asked of it so far. */
  readonly asked: readonly string[]
}

/** A store whose bucket is empty, and lies when it is told to. */
async function lied(atStart: Lie = () => false, times: Partial<S3Times> = {}): Promise<Lied> {
  await using opening = new AsyncDisposableStack()
  const dir = opening.use(await tempDir('s3-lies'))
  const asked: string[] = []
  let lie = atStart
  const server = createServer((request, answer) => {
    const { method = '', url = '' } = request
    asked.push(`${method} ${url}`)
    request.resume().once('end', () => {
      if (lie(request, answer) !== false) return
      if (method === 'DELETE') answer.writeHead(204).end()
      else if (url.includes('probe-') && method === 'GET')
        answer.writeHead(200, ETAG).end('depot looks whether it may write here\n')
      else if (url.includes('list-type')) answer.end(EMPTY_LIST)
      else if (UPLOADS.test(url)) answer.end('<ListMultipartUploadsResult></ListMultipartUploadsResult>')
      else answer.writeHead(200, ETAG).end()
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  opening.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  const s3 = {
    bucket: 'liar',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    forcePathStyle: true,
    prefix: 'ours/',
    checksums: true,
    settingPrefix: '--s3-',
  }
  const store = opening.use(await openS3BlobStore({ s3, spool: dir.path, times }))
  const opened = opening.move()
  return {
    store,
    set lie(next: Lie) {
      lie = next
    },
    asked,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
      ),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

const PIECE = Buffer.alloc(64 * 1024, 'a')

/** A body that goes on as long as anybody reads it. */
function endless(status: number, headers: Readonly<Record<string, string>> = {}): Lie {
  return (_, answer) => {
    answer.writeHead(status, headers)
    const go = (): void => {
      while (!answer.destroyed && answer.write(PIECE));
    }
    answer.on('drain', go)
    go()
  }
}

async function publish(store: BlobStore): Promise<void> {
  await using staged = await store.stage()
  await staged.write(Buffer.from('x'))
  await staged.publish(LOCATION)
}

const DOWN = { code: 'STORAGE_DOWN' }

describe('what answers in place of an object', () => {
  it.each<[string, Lie]>([
    ['without a length', (_, answer) => answer.writeHead(200, ETAG).write('hello', () => answer.end())],
    ['a page of something on the way', (_, answer) => answer.setHeader('Content-Length', 5).end('hello')],
    ['nothing', (_, answer) => answer.writeHead(204).end()],
    ['a part backwards', part('bytes 5-2/10')],
    ['a part beyond its end', part('bytes 5-6/6')],
    ['a part of another size', part('bytes 5-7/10')],
    ['a part that is none', part('5 to 6 of 10')],
  ])('is not taken for one: %s', async (_, lie) => {
    await using world = await lied()
    world.lie = lie
    await expect(world.store.open(LOCATION, { start: 5, end: 8 })).rejects.toMatchObject(DOWN)
    await expect(world.store.open(LOCATION)).rejects.toMatchObject(DOWN)
  })

  it('does not say that there is none when it does not say how large it is', async () => {
    await using world = await lied()
    world.lie = (_, answer) => answer.writeHead(200).end()
    await expect(world.store.stat(LOCATION)).rejects.toMatchObject(DOWN)
    world.lie = ({ method }, answer) => answer.writeHead(404).end(method === 'HEAD' ? undefined : NO_SUCH_KEY)
    expect(await world.store.stat(LOCATION)).toBeUndefined()
  })

  it('is not taken for none when it was something on the way that found nothing', async () => {
    await using world = await lied()
    world.lie = ({ method }, answer) => answer.writeHead(404).end(method === 'HEAD' ? undefined : 'no such server\n')
    await expect(world.store.stat(LOCATION)).rejects.toMatchObject(DOWN)
    await expect(world.store.open(LOCATION)).rejects.toMatchObject(DOWN)
    await expect(world.store.open(LOCATION, { start: 0, end: 0 })).rejects.toMatchObject(DOWN)
    world.lie = ({ method }, answer) =>
      method === 'HEAD' ? answer.writeHead(404).end() : answer.writeHead(200, ETAG).end('x')
    await expect(world.store.stat(LOCATION)).rejects.toMatchObject(DOWN)
  })
})

const NO_SUCH_KEY = '<Error><Code>NoSuchKey</Code></Error>'

function part(range: string): Lie {
  return (_, answer) => answer.writeHead(206, { ...ETAG, 'Content-Range': range, 'Content-Length': '2' }).end('ab')
}

describe('an answer of S3 that does not end', () => {
  it.each<[string, number, (store: BlobStore) => Promise<unknown>]>([
    ['a refusal of a read', 403, (store) => store.open(LOCATION)],
    ['to an upload', 200, publish],
    ['to a removal', 200, (store) => store.delete(LOCATION)],
    ['a list', 200, (store) => Array.fromAsync(store.list(''))],
  ])('is given up before it fills the memory: %s', async (_, status, ask) => {
    await using world = await lied()
    world.lie = endless(status)
    const before = process.memoryUsage().rss
    await expect(ask(world.store)).rejects.toMatchObject(DOWN)
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024)
  })

  it('holds no connection: one that falls silent is closed when nobody waits any more', async () => {
    await using world = await lied(undefined, { stallMs: 300 })
    world.lie = (_, answer) => answer.writeHead(403, { 'Content-Length': '1000' }).write('<Err')
    await expect(world.store.open(LOCATION)).rejects.toMatchObject(DOWN)
    await expect.poll(() => world.connections()).toBeLessThan(3)
  })
})

describe('a list of S3', () => {
  it('that names what is not ours names nothing', async () => {
    await using world = await lied()
    world.lie = (_, answer) =>
      answer.end(`<ListBucketResult><Contents><Key>hers/${LOCATION}</Key></Contents></ListBucketResult>`)
    expect(await Array.fromAsync(world.store.list(''))).toEqual([])
  })

  it('that does not go on is not asked for without end', async () => {
    await using world = await lied()
    world.lie = (_, answer) =>
      answer.end(
        '<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken></ListBucketResult>',
      )
    await expect(Array.fromAsync(world.store.list(''))).rejects.toMatchObject(DOWN)
  })

  it('that goes in circles is not followed for ever', async () => {
    await using world = await lied()
    let token = 0
    world.lie = (_, answer) =>
      answer.end(
        `<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>ours/${LOCATION}</Key></Contents><NextContinuationToken>${token++}</NextContinuationToken></ListBucketResult>`,
      )
    await expect(Array.fromAsync(world.store.list('main/'))).rejects.toMatchObject(DOWN)
    expect(world.asked.filter((line) => line.includes('prefix=ours%2Fmain%2F'))).toHaveLength(2)
  })

  it('of uploads that does not go on is asked for twice, and nothing of others is aborted', async () => {
    await using world = await lied(({ url = '' }, answer) => {
      if (!UPLOADS.test(url)) return false
      const upload = (key: string) =>
        `<Upload><Key>${key}</Key><UploadId>1</UploadId><Initiated>2020-01-01T00:00:00Z</Initiated></Upload>`
      return answer.end(
        `<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>${upload(`hers/${LOCATION}`)}${upload('ours/main')}</ListMultipartUploadsResult>`,
      )
    })
    await expect.poll(() => world.asked.filter((line) => UPLOADS.test(line)).length).toBe(2)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(world.asked.filter((line) => UPLOADS.test(line) || line.includes('uploadId'))).toHaveLength(2)
  })
})
