import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { startForwardProxy, type ForwardProxy } from '../../../src/node/forward-proxy.ts'
import { ok, SHOWN, startTestProxy } from '../../helpers/proxy.ts'
import { exchange, rawRequest } from '../../helpers/raw-http.ts'
import { startUpstream } from '../../helpers/upstream.ts'

describe('what goes to the depot', () => {
  it('carries our credentials instead of the client’s, minted for this method and this path', async () => {
    await using upstream = await startUpstream(ok)
    await using proxy = await startTestProxy(`${upstream.url}/depot/`)
    const headers = { Authorization: 'Bearer local', Cookie: 'a=b', 'X-Forwarded-For': '10.1.1.1', 'X-Kept': 'yes' }
    await rawRequest(proxy.url, { method: 'PUT', path: '/npm/@a%2fb?x=1', headers, body: 'body' })
    const [seen] = upstream.requests
    expect(seen).toMatchObject({ method: 'PUT', url: '/depot/npm/@a%2fb?x=1' })
    expect(seen?.headers).toMatchObject({ authorization: SHOWN, host: new URL(upstream.url).host, 'x-kept': 'yes' })
    expect(Object.keys(seen?.headers ?? {})).not.toEqual(expect.arrayContaining(['cookie']))
    expect(seen?.headers['x-forwarded-for']).toBeUndefined()
    expect(proxy.asked).toEqual([{ method: 'PUT', path: '/depot/npm/@a%2fb' }])
  })

  it('carries no credentials where there are none to show', async () => {
    await using upstream = await startUpstream(ok)
    await using proxy = await startTestProxy(upstream.url, () => undefined)
    await rawRequest(proxy.url, { path: '/', headers: { Authorization: 'Bearer local' } })
    expect(upstream.requests[0]?.headers.authorization).toBeUndefined()
  })

  it.each(['content-length', 'transfer-encoding'])('has the body whole when it is framed by %s', async (framing) => {
    await using upstream = await startUpstream(
      (incoming, outgoing) => void text(incoming).then((body) => outgoing.end(body)),
    )
    await using proxy = await startTestProxy(upstream.url)
    const body = framing === 'content-length' ? 'a body' : new Blob(['a body']).stream()
    const answer = await fetch(proxy.url, { method: 'PUT', body, duplex: 'half' })
    expect(await answer.text()).toBe('a body')
    expect(Object.keys(upstream.requests[0]?.headers ?? {})).toContain(framing)
  })

  it('goes over connections that are kept', async () => {
    const ports = new Set<number | undefined>()
    await using upstream = await startUpstream((incoming, outgoing) => {
      ports.add(incoming.socket.remotePort)
      outgoing.end('ok')
    })
    await using proxy = await startTestProxy(upstream.url)
    for (let count = 0; count < 5; count++) await rawRequest(proxy.url, { path: '/' })
    expect(ports.size).toBe(1)
  })

  it('is asked for again when it was a read on a connection that the depot had just ended', async () => {
    let requests = 0
    await using upstream = await startUpstream((incoming, outgoing) => {
      if (++requests === 2) incoming.socket.destroy()
      else outgoing.end('ok')
    })
    await using proxy = await startTestProxy(upstream.url)
    await rawRequest(proxy.url, { path: '/' })
    expect((await rawRequest(proxy.url, { path: '/' })).body.toString()).toBe('ok')
    expect(requests).toBe(3)
  })
})

describe('what is refused', () => {
  it('a foreign Host, a web page, a tunnel, another origin and a path out of the depot', async () => {
    await using upstream = await startUpstream(ok)
    await using proxy = await startTestProxy(`${upstream.url}/depot`)
    const host = new URL(proxy.url).host
    const refused = [
      { path: '/', headers: { Host: 'evil.example' } },
      { path: '/', headers: { Origin: 'https://evil.example' } },
      { path: '/', headers: { 'Sec-Fetch-Site': 'cross-site' } },
      { path: `${upstream.url}/` },
      { path: '/../admin' },
      { path: '/npm/%2e%2e/%2e%2e/admin' },
      { path: '/npm/..%2f..%2fadmin' },
    ]
    const statuses = []
    for (const one of refused) statuses.push((await rawRequest(proxy.url, one)).status)
    expect(statuses).toEqual([421, 403, 403, 400, 400, 400, 400])
    const tunnel = await exchange(proxy.url, `CONNECT evil.example:443 HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    expect(tunnel.statuses).toEqual([405])
    expect((await exchange(proxy.url, `GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n`)).statuses).toEqual([505])
    expect((await exchange(proxy.url, 'GET / HTTP/1.1\r\n\r\n')).statuses).toEqual([400])
    expect(upstream.requests).toEqual([])
    expect(proxy.asked).toEqual([])
  })

  it('headers and addresses beyond their bounds', async () => {
    await using upstream = await startUpstream(ok)
    await using proxy = await startTestProxy(upstream.url)
    expect((await rawRequest(proxy.url, { path: '/', headers: { 'X-Long': 'x'.repeat(20_000) } })).status).toBe(431)
    expect((await rawRequest(proxy.url, { path: `/${'x'.repeat(9000)}` })).status).toBe(414)
    expect(upstream.requests).toEqual([])
  })

  it('more than one request in a body: what follows a framed body is another request of the same client', async () => {
    await using upstream = await startUpstream(ok)
    await using proxy = await startTestProxy(upstream.url)
    const { host } = new URL(proxy.url)
    const smuggled = `PUT /a HTTP/1.1\r\nHost: ${host}\r\nConnection: content-length\r\nContent-Length: 30\r\n\r\nGET /b HTTP/1.1\r\nHost: evil\r\n\r\n`
    expect((await exchange(proxy.url, smuggled)).statuses).toEqual([200])
    const both = `PUT /c HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`
    expect((await exchange(proxy.url, both)).statuses).toEqual([400])
    expect(upstream.requests.map(({ url }) => url)).toEqual(['/a'])
  })
})

/** A PUT that sends no byte of its body before it is told to go on. */
async function polite(url: string, body: Buffer): Promise<{ status: number; continued: boolean; text: string }> {
  const headers = { Expect: '100-continue', 'Content-Length': body.byteLength }
  const outgoing = request(url, { method: 'PUT', headers, agent: false })
  let continued = false
  outgoing.once('continue', () => {
    continued = true
    outgoing.end(body)
  })
  outgoing.on('error', () => {})
  outgoing.flushHeaders()
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  const told = await text(answer)
  outgoing.destroy()
  return { status: answer.statusCode ?? 0, continued, text: told }
}

describe('a client that waits for 100 Continue', () => {
  it('is told to go on when the depot says so, not before', async () => {
    let told = false
    await using upstream = await startUpstream(ok, (incoming, outgoing) => {
      setTimeout(() => {
        told = true
        outgoing.writeContinue()
        void buffer(incoming).then((body) => outgoing.end(String(body.byteLength)))
      }, 50)
    })
    await using proxy = await startTestProxy(upstream.url)
    const done = await polite(proxy.url, Buffer.alloc(100_000))
    expect(done).toEqual({ status: 200, continued: true, text: '100000' })
    expect(told).toBe(true)
  })

  it.each([401, 403, 413])('hears %i before it has sent anything', async (status) => {
    await using upstream = await startUpstream(ok, (_incoming, outgoing) => outgoing.writeHead(status).end('no'))
    await using proxy = await startTestProxy(upstream.url)
    expect(await polite(proxy.url, Buffer.alloc(100_000))).toEqual({ status, continued: false, text: 'no' })
  })
})

it('passes an early refusal on to a client that is still sending, and lets it send the rest', async () => {
  await using upstream = await startUpstream((_incoming, outgoing) => outgoing.writeHead(413).end('too large'))
  await using proxy = await startTestProxy(upstream.url)
  const body = Buffer.alloc(30_000_000)
  const outgoing = request(proxy.url, { method: 'PUT', headers: { 'Content-Length': body.byteLength }, agent: false })
  const sent = once(outgoing, 'finish')
  outgoing.end(body)
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  expect(answer.statusCode).toBe(413)
  expect(await text(answer)).toBe('too large')
  await sent
})

describe('a redirect', () => {
  it('to another origin is passed on, and nothing is sent there', async () => {
    await using elsewhere = await startUpstream(ok)
    const location = `${elsewhere.url}/bucket/x?signature=1`
    await using upstream = await startUpstream((_incoming, outgoing) =>
      outgoing.writeHead(307, { Location: location }).end(),
    )
    await using proxy = await startTestProxy(upstream.url)
    for (const method of ['GET', 'PUT']) {
      const answer = await rawRequest(proxy.url, { method, path: '/nix/nar/x' })
      expect(answer).toMatchObject({ status: 307, headers: { location } })
    }
    expect(elsewhere.requests).toEqual([])
    // A client that follows it does so without what the proxy knows.
    await fetch(`${proxy.url}/nix/nar/x`)
    expect(elsewhere.requests).toHaveLength(1)
    expect(elsewhere.requests[0]?.headers.authorization).toBeUndefined()
    expect(elsewhere.requests[0]?.url).toBe('/bucket/x?signature=1')
  })

  it('within the depot leads through the proxy', async () => {
    await using upstream = await startUpstream((incoming, outgoing) => {
      if (incoming.url === '/depot/old') outgoing.writeHead(301, { Location: '/depot/new' }).end()
      else outgoing.end('new')
    })
    await using proxy = await startTestProxy(`${upstream.url}/depot`)
    const response = await fetch(`${proxy.url}/old`)
    expect(response.url).toBe(`${proxy.url}/new`)
    expect(proxy.asked.map(({ path }) => path)).toEqual(['/depot/old', '/depot/new'])
  })
})

describe('a packument', () => {
  const documentOf = (base: string): string =>
    JSON.stringify({
      readme: `see "tarball":"${base}/npm/x" `,
      versions: { '1.0.0': { dist: { tarball: `${base}/npm/x/-/x-1.0.0.tgz` } } },
      elsewhere: { tarball: 'https://other.example/npm/x' },
    })

  interface Through extends AsyncDisposable {
    readonly proxy: ForwardProxy
    readonly target: string
    fetch(): Promise<Response>
  }

  async function through(
    headers: Record<string, string>,
    encode: (text: string) => string | Buffer = (plain) => plain,
  ): Promise<Through> {
    const upstream = await startUpstream((incoming, outgoing) => {
      const body = encode(documentOf(`http://${incoming.headers.host}/depot`))
      outgoing.writeHead(200, { ETag: '"e"', 'Content-Length': Buffer.byteLength(body), ...headers }).end(body)
    })
    const proxy = await startTestProxy(`${upstream.url}/depot`)
    return {
      proxy,
      target: `${upstream.url}/depot`,
      fetch: () => fetch(`${proxy.url}/npm/x`),
      async [Symbol.asyncDispose]() {
        await proxy[Symbol.asyncDispose]()
        await upstream[Symbol.asyncDispose]()
      },
    }
  }

  it.each([
    { coding: 'no coding', headers: {}, encode: undefined },
    { coding: 'gzip', headers: { 'Content-Encoding': 'gzip' }, encode: gzipSync },
  ])('in $coding names its tarballs by the address of the proxy', async ({ headers, encode }) => {
    await using way = await through(
      { 'Content-Type': 'application/vnd.npm.install-v1+json; charset=utf-8', ...headers },
      encode,
    )
    const response = await way.fetch()
    expect(await response.text()).toBe(
      documentOf(way.target).replaceAll(`"tarball":"${way.target}`, `"tarball":"${way.proxy.url}`),
    )
    expect(Object.fromEntries(response.headers)).toMatchObject({ etag: 'W/"e"' })
    expect(response.headers.get('content-encoding')).toBeNull()
    const head = await rawRequest(way.proxy.url, { method: 'HEAD', path: '/npm/x' })
    expect(head.headers['content-length']).toBeUndefined()
  })

  it('is the only thing that is changed', async () => {
    await using way = await through({ 'Content-Type': 'application/octet-stream' })
    const response = await way.fetch()
    expect(await response.text()).toBe(documentOf(way.target))
    expect(response.headers.get('etag')).toBe('"e"')
  })

  it('that is cut inside its coding never looks whole', async () => {
    await using way = await through({ 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }, (plain) =>
      gzipSync(plain).subarray(0, 60),
    )
    await expect(way.fetch().then((response) => response.text())).rejects.toThrow(/terminated|failed/)
  })
})

describe('a failure', () => {
  it('the client of a depot that is not there is told so', async () => {
    const gone = await startUpstream(ok)
    await gone[Symbol.asyncDispose]()
    await using proxy = await startTestProxy(gone.url)
    const get = await rawRequest(proxy.url, { path: '/nix/nix-cache-info' })
    expect(get).toMatchObject({ status: 502, headers: { 'content-type': 'text/plain; charset=utf-8' } })
    expect(get.body.toString()).toBe(`depot proxy: ${gone.url} cannot be reached (ECONNREFUSED)\n`)
    expect(await rawRequest(proxy.url, { method: 'PUT', path: '/', body: Buffer.alloc(5_000_000) })).toMatchObject({
      status: 502,
    })
  })

  it('the client is told what is wrong with TLS, and with a login that cannot be made', async () => {
    await using upstream = await startUpstream(ok)
    await using tls = await startTestProxy(upstream.url.replace('http:', 'https:'))
    expect((await rawRequest(tls.url, { path: '/' })).body.toString()).toMatch(/does not speak TLS/)
    await using proxy = await startTestProxy(upstream.url, () => {
      throw new Error('no key that works')
    })
    expect((await rawRequest(proxy.url, { path: '/' })).body.toString()).toMatch(/no key that works/)
    expect(upstream.requests).toEqual([])
  })
})

it('lets what is running finish when it is closed, and takes nothing new', async () => {
  const { promise: next, resolve: go } = Promise.withResolvers<void>()
  await using upstream = await startUpstream((_incoming, outgoing) => {
    outgoing.write('first ')
    void next.then(() => outgoing.end('second'))
  })
  const proxy = await startTestProxy(upstream.url)
  const response = await fetch(proxy.url)
  const closed = proxy.close()
  await expect(rawRequest(proxy.url, { path: '/' })).rejects.toThrow(/ECONNREFUSED/)
  go()
  expect(await response.text()).toBe('first second')
  await closed
})

it('does not wait, when it is closed, for connections on which no request ever came', async () => {
  await using upstream = await startUpstream(ok)
  const proxy = await startTestProxy(upstream.url)
  const { hostname, port } = new URL(proxy.url)
  const silent = connect(Number(port), hostname)
  await once(silent, 'connect')
  await proxy.close()
  silent.destroy()
}, 10_000)

it('listens on loopback only', async () => {
  await using upstream = await startUpstream(ok)
  await using proxy = await startTestProxy(upstream.url)
  expect(proxy.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  await expect(
    startForwardProxy({
      target: new URL('file:///x'),
      listen: { host: '127.0.0.1', port: 0 },
      credentials: { authorization: () => SHOWN },
    }),
  ).rejects.toThrow(/begins with http/)
})
