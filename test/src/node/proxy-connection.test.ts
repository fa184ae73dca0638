import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { connect, createServer as createSocketServer } from 'node:net'
import { buffer } from 'node:stream/consumers'

import { describe, expect, it } from 'vitest'

import { fileNar, sha256Hex, sha256Nix32 } from '../../helpers/nar.ts'
import { startNixWorld } from '../../helpers/nix-upload.ts'
import { startTestProxy } from '../../helpers/proxy.ts'
import { rawRequest } from '../../helpers/raw-http.ts'
import { startUpstream } from '../../helpers/upstream.ts'

describe('an answer', () => {
  it('comes back with its status, its text and its end-to-end headers', async () => {
    await using upstream = await startUpstream((_incoming, outgoing) => {
      const headers = [
        'Connection',
        'X-Hop',
        'X-Hop',
        '1',
        'X-Two',
        'a',
        'X-Two',
        'b',
        'Set-Cookie',
        'a=b',
        'ETag',
        '"e"',
      ]
      outgoing.writeHead(404, 'Not Here', headers).end('nothing')
    })
    await using proxy = await startTestProxy(upstream.url)
    const { headers, body, status } = await rawRequest(proxy.url, { path: '/' })
    expect({ status, body: body.toString() }).toEqual({ status: 404, body: 'nothing' })
    expect(headers).toMatchObject({ 'x-two': 'a, b', etag: '"e"' })
    expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(['x-hop']))
    expect(headers['set-cookie']).toBeUndefined()
  })

  it('has no body to HEAD, and the length it would have', async () => {
    await using upstream = await startUpstream((_incoming, outgoing) =>
      outgoing.writeHead(200, { 'Content-Length': 7 }).end(),
    )
    await using proxy = await startTestProxy(upstream.url)
    const { headers, body } = await rawRequest(proxy.url, { method: 'HEAD', path: '/' })
    expect(headers['content-length']).toBe('7')
    expect(body.byteLength).toBe(0)
  })

  it('arrives as it is sent, a piece at a time', async () => {
    const { promise: next, resolve: go } = Promise.withResolvers<void>()
    await using upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.write('first')
      void next.then(() => outgoing.end('second'))
    })
    await using proxy = await startTestProxy(upstream.url)
    const response = await fetch(proxy.url)
    const reader = response.body?.getReader()
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('first')
    go()
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('second')
  })

  it('with trailers loses them and stays whole', async () => {
    await using upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.writeHead(200, { Trailer: 'X-Sum' })
      outgoing.write('body')
      outgoing.addTrailers({ 'X-Sum': '1' })
      outgoing.end()
    })
    await using proxy = await startTestProxy(upstream.url)
    const { headers, body } = await rawRequest(proxy.url, { path: '/' })
    expect(body.toString()).toBe('body')
    expect(headers.trailer).toBeUndefined()
  })

  it.each([
    { framing: 'a length', headers: { 'Content-Length': '1000' } },
    { framing: 'chunks', headers: {} },
  ])('framed by $framing that is cut never looks whole', async ({ headers }) => {
    await using upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.writeHead(200, headers)
      outgoing.write('half', () => outgoing.socket?.destroy())
    })
    await using proxy = await startTestProxy(upstream.url)
    await expect(rawRequest(proxy.url, { path: '/' })).rejects.toThrow(/aborted|hang up/)
    await expect.poll(() => proxy.failures).toEqual([expect.stringMatching(/ended the connection before/)])
  })

  it('with headers beyond their bound is a 502', async () => {
    await using upstream = await startUpstream((_incoming, outgoing) =>
      outgoing.writeHead(200, { 'X-Long': 'x'.repeat(20_000) }).end(),
    )
    await using proxy = await startTestProxy(upstream.url)
    expect(await rawRequest(proxy.url, { path: '/' })).toMatchObject({ status: 502 })
  })

  it.each([
    ['a status text that Node does not write', 'HTTP/1.1 200 O\u0001K\r\nContent-Length: 0\r\n\r\n'],
    ['a status that does not exist', 'HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n'],
    ['another protocol', 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n'],
  ])('with %s is a 502, and the next one is not lost', async (_what, head) => {
    await using upstream = await startUpstream(({ url, socket }, outgoing) => {
      if (url === '/bad') socket.write(head, 'latin1')
      else outgoing.end('good')
    })
    await using proxy = await startTestProxy(upstream.url)
    expect((await rawRequest(proxy.url, { path: '/bad' })).status).toBe(502)
    expect((await rawRequest(proxy.url, { path: '/' })).body.toString()).toBe('good')
  })

  it('of something that speaks no HTTP is a 502', async () => {
    const server = createSocketServer((socket) => socket.end('220 mail ready\r\n')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    await using proxy = await startTestProxy(
      `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`,
    )
    const { status, body } = await rawRequest(proxy.url, { path: '/' })
    expect({ status, body: body.toString() }).toEqual({
      status: 502,
      body: expect.stringMatching(/is not HTTP/) as string,
    })
    server.close()
  })
})

describe('a large body', () => {
  const LARGE = randomBytes(50_000_000)
  const serveLarge: RequestListener = (_incoming, outgoing) =>
    outgoing.writeHead(200, { 'Content-Length': LARGE.byteLength }).end(LARGE)

  it('arrives as it is, several at once, and connections are good for more', async () => {
    await using upstream = await startUpstream((incoming, outgoing) =>
      incoming.url === '/large' ? serveLarge(incoming, outgoing) : outgoing.end('small'),
    )
    await using proxy = await startTestProxy(upstream.url)
    for (let round = 0; round < 2; round++) {
      const paths = ['/large', '/small', '/large', '/small', '/large']
      const bodies = await Promise.all(paths.map(async (path) => (await rawRequest(proxy.url, { path })).body))
      expect(bodies.map((body) => (body.byteLength === LARGE.byteLength ? sha256Hex(body) : body.toString()))).toEqual(
        paths.map((path) => (path === '/large' ? sha256Hex(LARGE) : 'small')),
      )
    }
    expect(proxy.failures).toEqual([])
  })

  it('is not waited for behind a 304 that names its length', async () => {
    const head = { ETag: '"e"', 'Content-Length': LARGE.byteLength }
    await using upstream = await startUpstream((_incoming, outgoing) => outgoing.writeHead(304, head).end())
    await using proxy = await startTestProxy(upstream.url)
    for (let round = 0; round < 2; round++)
      expect(await rawRequest(proxy.url, { path: '/' })).toMatchObject({ status: 304, headers: { etag: '"e"' } })
  })

  it('leaves the connection of its client good for more', async () => {
    await using upstream = await startUpstream(serveLarge)
    await using proxy = await startTestProxy(upstream.url)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<number | undefined>()
    for (let round = 0; round < 3; round++) {
      const [answer] = (await once(request(proxy.url, { agent }).end(), 'response')) as [IncomingMessage]
      ports.add(answer.socket.localPort)
      expect(sha256Hex(await buffer(answer))).toBe(sha256Hex(LARGE))
    }
    agent.destroy()
    expect(ports.size).toBe(1)
  })

  it('in chunks arrives as it is at a client that reads slowly', async () => {
    await using upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.write(LARGE)
      outgoing.end()
    })
    await using proxy = await startTestProxy(upstream.url)
    const [answer] = (await once(request(proxy.url, { agent: false }).end(), 'response')) as [IncomingMessage]
    const hash = createHash('sha256')
    let pieces = 0
    for await (const piece of answer as AsyncIterable<Buffer>) {
      hash.update(piece)
      if (++pieces % 20 === 0) await new Promise((wait) => setTimeout(wait, 5))
    }
    expect(hash.digest('hex')).toBe(sha256Hex(LARGE))
  })

  it.each([0, 1, 300_000])('arrives as it is when %i bytes of it come with its head', async (bytes) => {
    await using upstream = await startUpstream((_incoming, { socket }) => {
      const head = `HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: ${LARGE.byteLength}\r\n\r\n`
      socket?.write(Buffer.concat([Buffer.from(head), LARGE.subarray(0, bytes)]))
      setTimeout(() => socket?.write(LARGE.subarray(bytes)), 20)
    })
    await using proxy = await startTestProxy(upstream.url)
    expect(sha256Hex((await rawRequest(proxy.url, { path: '/' })).body)).toBe(sha256Hex(LARGE))
  })

  it('arrives as it is when the head comes a byte at a time', async () => {
    await using upstream = await startUpstream((_incoming, { socket }) => {
      const head = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE.byteLength}\r\n\r\n`)
      const send = (at: number): void =>
        void socket?.write(head.subarray(at, at + 1), () =>
          at < head.byteLength ? setImmediate(send, at + 1) : socket.write(LARGE),
        )
      send(0)
    })
    await using proxy = await startTestProxy(upstream.url)
    expect(sha256Hex((await rawRequest(proxy.url, { path: '/' })).body)).toBe(sha256Hex(LARGE))
  })

  it('that is cut never looks whole, and is told of', async () => {
    await using upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Length': LARGE.byteLength })
      outgoing.write(LARGE.subarray(0, 20_000_000), () => outgoing.socket?.destroy())
    })
    await using proxy = await startTestProxy(upstream.url)
    await expect(rawRequest(proxy.url, { path: '/' })).rejects.toThrow(/aborted|hang up/)
    await expect.poll(() => proxy.failures).toEqual([expect.stringMatching(/ended the connection before/)])
  })

  it('that nobody wants any more is not fetched any further', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    await using upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.once('close', () => resolve())
      outgoing.writeHead(200, { 'Content-Length': 1_000_000_000 })
      outgoing.write(LARGE)
    })
    await using proxy = await startTestProxy(upstream.url)
    const abort = new AbortController()
    const response = await fetch(proxy.url, { signal: abort.signal })
    await response.body?.getReader().read()
    abort.abort()
    await closed
    expect(proxy.failures).toEqual([])
  })

  it('goes into a real depot and comes out of it', async () => {
    await using world = await startNixWorld()
    await using proxy = await startTestProxy(world.url)
    const archive = fileNar(LARGE)
    const name = `${sha256Nix32(archive)}.nar`
    expect(await rawRequest(proxy.url, { method: 'PUT', path: `/nix/nar/${name}`, body: archive })).toMatchObject({
      status: 201,
    })
    const { body } = await rawRequest(proxy.url, { path: `/nix/nar/${name}` })
    expect(sha256Hex(body)).toBe(sha256Hex(archive))
    expect(proxy.asked).toEqual([
      { method: 'PUT', path: `/nix/nar/${name}` },
      { method: 'GET', path: `/nix/nar/${name}` },
    ])
    expect(world.bugs).toEqual([])
  })
})

describe('when one side goes away', () => {
  it('the depot sees that a client left in the middle of a download', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    await using upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.once('close', () => resolve())
      outgoing.write(Buffer.alloc(100_000))
    })
    await using proxy = await startTestProxy(upstream.url)
    const abort = new AbortController()
    const response = await fetch(proxy.url, { signal: abort.signal })
    await response.body?.getReader().read()
    abort.abort()
    await closed
    expect(proxy.failures).toEqual([])
  })

  it('the depot sees that a client left in the middle of an upload, and no whole body', async () => {
    const { promise: broken, resolve } = Promise.withResolvers<boolean>()
    await using upstream = await startUpstream((incoming) => {
      incoming.on('error', () => resolve(incoming.complete)).resume()
    })
    await using proxy = await startTestProxy(upstream.url)
    const outgoing = request(proxy.url, { method: 'PUT', headers: { 'Transfer-Encoding': 'chunked' }, agent: false })
    outgoing.on('error', () => {})
    outgoing.write(Buffer.alloc(100_000))
    await expect.poll(() => upstream.requests.length).toBe(1)
    outgoing.destroy()
    expect(await broken).toBe(false)
  })
})

describe('backpressure', () => {
  it.each([
    { framing: 'in chunks', headers: {} },
    { framing: 'with a length', headers: { 'Content-Length': '100000000' } },
  ])('reaches a depot that sends $framing when the client does not read', async ({ headers }) => {
    let written = 0
    await using upstream = await startUpstream((_incoming, outgoing) =>
      pour(outgoing.writeHead(200, headers), (bytes) => (written += bytes)),
    )
    await using proxy = await startTestProxy(upstream.url)
    const { host, hostname, port } = new URL(proxy.url)
    const socket = connect(Number(port), hostname)
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    await settled(() => written)
    expect(written).toBeLessThan(40_000_000)
    socket.destroy()
  })

  it('reaches the client when the depot does not read', async () => {
    await using upstream = await startUpstream((incoming) => void incoming.pause())
    await using proxy = await startTestProxy(upstream.url)
    let written = 0
    const outgoing = request(proxy.url, { method: 'PUT', headers: { 'Transfer-Encoding': 'chunked' }, agent: false })
    outgoing.on('error', () => {})
    pour(outgoing, (bytes) => (written += bytes))
    await settled(() => written)
    expect(written).toBeLessThan(40_000_000)
    outgoing.destroy()
  })
})

/** Write a hundred megabytes, as fast as they are taken. */
function pour(to: ServerResponse | ReturnType<typeof request>, count: (bytes: number) => void): void {
  const piece = Buffer.alloc(100_000)
  let left = 1000
  const more = (): void => {
    while (left-- > 0) {
      count(piece.byteLength)
      if (!to.write(piece)) return void to.once('drain', more)
    }
    to.end()
  }
  more()
}

async function settled(value: () => number): Promise<void> {
  for (let before = -1; before !== value(); await new Promise((wait) => setTimeout(wait, 300))) before = value()
}
