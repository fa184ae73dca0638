import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { describe, expect, it } from 'vitest'

import { DepotError } from '../../../src/errors.ts'
import { sendSource } from '../../../src/node/send.ts'
import type { Source } from '../../../src/source.ts'
import { startS3Proxy, type S3Fault } from '../../faults/s3-proxy.ts'
import { describeWith, have } from '../../helpers/have.ts'
import { publishOf, tarballOf } from '../../helpers/npm-fixtures.ts'
import { createBucket } from '../../helpers/s3.ts'
import { s3Settings } from '../../helpers/storage-pairs.ts'
import { startWorld } from '../../helpers/world.ts'

const DOWN = new DepotError('STORAGE_DOWN', 'down')

/** Bytes in pieces of 300,000, of which reading fails from `failsAt` on: as they lie in storage, or decoded on the way. */
function failing(how: 'stored' | 'decoded', failsAt: number, error: unknown, sizeBytes = 600_000): Source {
  const read = async (target: Uint8Array, offset: number): Promise<number> => {
    if (offset >= failsAt) throw error
    return target.fill(7).byteLength
  }
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let offset = 0; offset < sizeBytes; offset += 300_000) {
      const piece = new Uint8Array(300_000)
      await read(piece, offset)
      yield piece
    }
  }
  const stored = { sizeBytes, read, async [Symbol.asyncDispose]() {} }
  return { sizeBytes, chunks, ...(how === 'stored' ? { stored } : {}), async [Symbol.asyncDispose]() {} }
}

/** What a client sees of a source, and what its sender was told. */
async function sent(source: Source): Promise<{ readonly seen: string; readonly told: unknown }> {
  const told = Promise.withResolvers<unknown>()
  const server = createServer((_incoming, outgoing) => {
    const headers = ['Content-Length', String(source.sizeBytes), 'X-Head', 'sent']
    sendSource(outgoing, { status: 200, headers }, source, { start: 0, end: source.sizeBytes }).then(
      () => told.resolve(undefined),
      (error: unknown) => {
        told.resolve(error)
        if (!outgoing.destroyed) outgoing.writeHead(503).end('refused')
      },
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const body = await answer.text().catch(() => 'cut')
    return { seen: `${answer.status} ${answer.headers.get('x-head')} ${body}`, told: await told.promise }
  } catch {
    return { seen: 'no answer', told: await told.promise }
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

describe.each(['stored', 'decoded'] as const)('an answer out of %s bytes', (how) => {
  it('can still be refused, with nothing of it sent, when storage is down before the first byte', async () => {
    expect(await sent(failing(how, 0, DOWN))).toEqual({ seen: '503 null refused', told: DOWN })
  })

  it('is cut when storage goes down behind the first bytes', async () => {
    expect(await sent(failing(how, 300_000, DOWN))).toEqual({ seen: '200 sent cut', told: DOWN })
  })

  it('is cut for any other failure, also before the first byte', async () => {
    const bug = new TypeError('a bug')
    expect(await sent(failing(how, 0, bug))).toEqual({ seen: 'no answer', told: bug })
  })

  it('has a head when it has no bytes', async () => {
    expect(await sent(failing(how, 0, DOWN, 0))).toEqual({ seen: '200 sent ', told: undefined })
  })
})

describe('a source that cannot be closed', () => {
  const closing = { [Symbol.asyncDispose]: () => Promise.reject(new Error('EIO: close')) }

  it('has been sent as well as any other', async () => {
    const whole = { ...failing('stored', Infinity, DOWN), ...closing }
    expect(await sent(whole)).toEqual({ seen: `200 sent ${'\x07'.repeat(600_000)}`, told: undefined })
  })

  it('does not end the process when its reader leaves while it is being read', async () => {
    const unhandled: unknown[] = []
    const note = (error: unknown): void => void unhandled.push(error)
    const others = process.listeners('unhandledRejection')
    process.removeAllListeners('unhandledRejection').on('unhandledRejection', note)
    const reading = Promise.withResolvers<number>()
    const leaving = new AbortController()
    const server = createServer((_incoming, outgoing) => {
      const stored = { sizeBytes: 9, read: () => reading.promise, ...closing }
      const source = { ...failing('stored', 0, DOWN, 9), stored, ...closing }
      void sendSource(outgoing, { status: 200, headers: [] }, source, { start: 0, end: 9 })
      outgoing.once('close', () => setTimeout(() => reading.resolve(9), 50))
      leaving.abort()
    })
    try {
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const { signal } = leaving
      await expect(fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { signal })).rejects.toThrow()
      await reading.promise
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(unhandled).toEqual([])
    } finally {
      server.close()
      process.off('unhandledRejection', note)
      for (const other of others) process.on('unhandledRejection', other)
    }
  })
})

describeWith('s3', 'a server whose S3 goes down between the head and the first byte of an object', () => {
  it('says 503 and when to come again, in the words of the protocol, whole and in part', async () => {
    await using bucket = await createBucket(have.paths.s3)
    let gets = 0
    let fault = (_get: number): S3Fault => undefined
    await using s3 = await startS3Proxy(bucket.endpoint, ({ method }) => (method === 'GET' ? fault(++gets) : undefined))
    const settings = { 'storage-type': 's3', ...s3Settings({ ...bucket, endpoint: s3.endpoint }) }
    await using world = await startWorld({ settings })
    const manifest = { name: 'demo', version: '1.0.0' }
    const tarball = await tarballOf(manifest, [{ name: 'package/data', content: randomBytes(400_000).toString('hex') }])
    const body = JSON.stringify(publishOf(manifest, tarball))
    expect((await world.fetch('/npm/demo', { method: 'PUT', body })).status).toBe(201)
    const path = '/npm/demo/-/demo-1.0.0.tgz'
    for (const headers of [{}, { Range: 'bytes=10-400000' }]) {
      ;[gets, fault] = [0, (get) => (get === 1 ? 'short' : 'internal-error')]
      const answer = await world.fetch(path, { headers })
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5'])
      expect([answer.headers.get('content-range'), answer.headers.get('etag')]).toEqual([null, null])
      expect(await answer.json()).toMatchObject({ error: expect.stringContaining('InternalError') })
      fault = () => undefined
    }
    const whole = await world.fetch(path)
    expect(Buffer.from(await whole.arrayBuffer()).equals(tarball)).toBe(true)
    expect(world.refusals).toEqual(['STORAGE_DOWN', 'STORAGE_DOWN'])
    expect([world.cuts, world.bugs]).toEqual([[], []])
  })
})
