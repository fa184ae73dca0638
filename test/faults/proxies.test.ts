import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { rawRequest, type RawResponse } from '../helpers/raw-http.ts'
import { startS3Proxy, type S3Fault } from './s3-proxy.ts'
import { startWireProxy, type WireFaults } from './wire-proxy.ts'

const BODY = Buffer.alloc(100_000, 'body ')

/** A server that answers every request with the same body, and echoes what was sent. */
async function startTarget() {
  const requests: { host: string | undefined; body: string }[] = []
  const server = createServer((incoming, outgoing) => {
    void text(incoming).then((body) => {
      requests.push({ host: incoming.headers.host, body })
      outgoing.writeHead(200, { 'Content-Length': BODY.byteLength, ETag: '"true"' }).end(BODY)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('the proxy of bytes', () => {
  const through = async (faults: WireFaults, act: (get: () => Promise<RawResponse>) => Promise<void>) => {
    await using target = await startTarget()
    await using proxy = await startWireProxy(target.url, faults)
    await act(() => rawRequest(`http://${proxy.host}:${proxy.port}`, { path: '/' }))
  }

  it('passes on what it is not told to spoil', async () => {
    await through({}, async (get) => expect((await get()).body.equals(BODY)).toBe(true))
  })

  it('holds answers back, and lets only so much pass in a second', async () => {
    for (const faults of [{ latencyMs: 200 }, { bytesPerSecond: 500_000 }]) {
      await through(faults, async (get) => {
        const started = performance.now()
        expect((await get()).body.equals(BODY)).toBe(true)
        expect(performance.now() - started).toBeGreaterThan(190)
      })
    }
  })

  it('ends or resets a connection after so many bytes of answers', async () => {
    await through({ after: { bytes: 5000, end: 'close' } }, (get) => expect(get()).rejects.toThrow('aborted'))
    await through({ after: { bytes: 5000, end: 'reset' } }, (get) => expect(get()).rejects.toThrow('aborted'))
    await through({ after: { bytes: 0, end: 'reset' } }, (get) => expect(get()).rejects.toThrow('ECONNRESET'))
  })

  it('resets who connects while it refuses, and who is connected when it is told', async () => {
    await using target = await startTarget()
    await using proxy = await startWireProxy(target.url, { refusing: true })
    const get = () => rawRequest(`http://${proxy.host}:${proxy.port}`, { path: '/' })
    await expect(get()).rejects.toThrow('ECONNRESET')
    proxy.faults.refusing = false
    proxy.faults.latencyMs = 10_000
    const held = get()
    while (target.requests.length === 0) await sleep(5)
    expect(proxy.open()).toBe(1)
    proxy.resetAll()
    await expect(held).rejects.toThrow('ECONNRESET')
  })

  it('cuts a connection before what is sent, and behind it', async () => {
    for (const [verdict, count] of [
      ['lost', 0],
      ['unanswered', 1],
    ] as const) {
      await using target = await startTarget()
      await using proxy = await startWireProxy(target.url, { judge: () => verdict })
      await expect(rawRequest(`http://${proxy.host}:${proxy.port}`, { path: '/' })).rejects.toThrow('ECONNRESET')
      expect(target.requests).toHaveLength(count)
    }
  })

  it('stalls until it is told to go on', async () => {
    const faults: WireFaults = { after: { bytes: 5000, end: 'stall' } }
    await through(faults, async (get) => {
      const answer = get()
      expect(await Promise.race([answer, sleep(150)])).toBeUndefined()
      delete faults.after
      expect((await answer).body.equals(BODY)).toBe(true)
    })
  })
})

describe('the proxy that is an S3 server in trouble', () => {
  const through = async (fault: S3Fault) => {
    await using target = await startTarget()
    await using proxy = await startS3Proxy(target.url, () => fault)
    const answer = await rawRequest(proxy.endpoint, { path: '/', method: 'PUT', body: 'sent' }).catch(String)
    expect(proxy.met.get('request')).toBe(1)
    return { answer, requests: target.requests, host: new URL(proxy.endpoint).host }
  }

  it('passes a request on under the name that its client signed', async () => {
    const { answer, requests, host } = await through(undefined)
    expect(answer).toMatchObject({ status: 200, body: BODY, headers: { etag: '"true"' } })
    expect(requests).toEqual([{ host, body: 'sent' }])
  })

  it.each([
    ['slow-down', 503, 'SlowDown'],
    ['internal-error', 500, 'InternalError'],
  ] as const)('answers %s itself', async (fault, status, code) => {
    const { answer, requests } = await through(fault)
    expect(answer).toMatchObject({ status })
    expect(String((answer as RawResponse).body)).toContain(`<Code>${code}</Code>`)
    expect(requests).toEqual([])
  })

  it('cuts a connection before a request, and behind one that was carried out', async () => {
    for (const [fault, count] of [
      ['lost', 0],
      ['reset', 1],
    ] as const) {
      const { answer, requests } = await through(fault)
      expect(answer).toContain('ECONNRESET')
      expect(requests).toHaveLength(count)
    }
  })

  it('spoils bodies and what is said of them', async () => {
    expect((await through('short')).answer).toContain('aborted')
    const half = BODY.byteLength / 2
    expect((await through('shrunk')).answer).toMatchObject({ headers: { 'content-length': String(half) } })
    expect((await through('false-etag')).answer).toMatchObject({
      body: BODY,
      headers: { etag: '"00000000000000000000000000000000"' },
    })
  })

  it('falls silent in the middle of a body', async () => {
    await using target = await startTarget()
    await using proxy = await startS3Proxy(target.url, () => 'stall')
    const answer = await fetch(proxy.endpoint)
    const reading = answer.arrayBuffer()
    expect(await Promise.race([reading, sleep(150)])).toBeUndefined()
    reading.catch(() => {})
  })
})
