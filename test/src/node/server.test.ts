import { randomBytes } from 'node:crypto'
import { chmodSync, truncateSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { blobLocation } from '../../../src/blobs/blob-location.ts'
import { shelf } from '../../helpers/shelf.ts'
import { exchange, rawRequest } from '../../helpers/raw-http.ts'
import { startWorld, type World } from '../../helpers/world.ts'

const openShelf = (): Promise<World> => startWorld({ protocols: [shelf] })

async function put(world: World, content: Uint8Array): Promise<string> {
  const answer = await world.fetch('/shelf/blob/thing', { method: 'PUT', body: Uint8Array.from(content) })
  expect(answer.status).toBe(201)
  return answer.text()
}

/** What an answer says, without what differs by connection and second. */
function essence(answer: Response) {
  const headers = [...answer.headers].filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name))
  return { status: answer.status, headers: Object.fromEntries(headers) }
}

describe('the server', () => {
  it.each([0, 10, 65_536, 65_537, 3_000_000])(
    'sends %i bytes as they were stored, whole and in part',
    async (sizeBytes) => {
      await using world = await openShelf()
      const content = randomBytes(sizeBytes)
      const digest = await put(world, content)
      const whole = await world.fetch(`/shelf/blob/${digest}`)
      expect(whole.headers.get('content-length')).toBe(String(sizeBytes))
      expect(Buffer.from(await whole.arrayBuffer()).equals(content)).toBe(true)
      if (sizeBytes === 0) return
      const part = await world.fetch(`/shelf/blob/${digest}`, { headers: { range: 'bytes=3-7' } })
      expect(part.status).toBe(206)
      expect(part.headers.get('content-range')).toBe(`bytes 3-7/${sizeBytes}`)
      expect(Buffer.from(await part.arrayBuffer()).equals(content.subarray(3, 8))).toBe(true)
      const tail = await world.fetch(`/shelf/blob/${digest}`, { headers: { range: 'bytes=-5' } })
      expect(Buffer.from(await tail.arrayBuffer()).equals(content.subarray(-5))).toBe(true)
      expect(world.bugs).toEqual([])
    },
  )

  it('answers 416 with the length, and ignores a range whose If-Range is not this version', async () => {
    await using world = await openShelf()
    const digest = await put(world, randomBytes(100))
    const behind = await world.fetch(`/shelf/blob/${digest}`, { headers: { range: 'bytes=100-' } })
    expect(behind.status).toBe(416)
    expect(behind.headers.get('content-range')).toBe('bytes */100')
    const other = await world.fetch(`/shelf/blob/${digest}`, { headers: { range: 'bytes=1-2', 'if-range': '"other"' } })
    expect(other.status).toBe(200)
    const same = await world.fetch(`/shelf/blob/${digest}`, {
      headers: { range: 'bytes=1-2', 'if-range': `"${digest}"` },
    })
    expect(same.status).toBe(206)
  })

  it('gives equal answers on the hot way and through the application', async () => {
    await using world = await openShelf()
    const digest = await put(world, randomBytes(1000))
    await world.fetch('/shelf/text/a?value=hello', { method: 'PUT' })
    const cold = essence(await world.fetch('/shelf/text/a'))
    expect(essence(await world.fetch('/shelf/text/a'))).toEqual(cold)
    const paths = ['/shelf/text/a', `/shelf/blob/${digest}`]
    const etags = [cold.headers['etag'] ?? '', `"${digest}"`]
    for (const [index, path] of paths.entries()) {
      for (const headers of [
        {},
        { 'if-none-match': etags[index] ?? '' },
        { 'if-none-match': '"other"' },
        { 'if-none-match': '*' },
      ]) {
        for (const method of ['GET', 'HEAD']) {
          const hot = await world.fetch(path, { method, headers })
          const slow = await world.app.fetch(new Request(world.url + path, { method, headers }))
          expect(essence(hot)).toEqual(essence(slow))
          expect(await hot.text()).toBe(await slow.text())
        }
      }
    }
  })

  it('sends no Content-Type with a 304, which pip would take over into its cache', async () => {
    await using world = await openShelf()
    await world.fetch('/shelf/text/a?value=hello', { method: 'PUT' })
    const etag = (await world.fetch('/shelf/text/a')).headers.get('etag') ?? ''
    const answer = await world.fetch('/shelf/text/a', { headers: { 'if-none-match': etag } })
    expect(answer.status).toBe(304)
    expect(answer.headers.get('content-type')).toBeNull()
    expect(answer.headers.get('vary')).toBe('Accept')
  })

  it('shows what was just written', async () => {
    await using world = await openShelf()
    for (let round = 0; round < 30; round++) {
      await world.fetch(`/shelf/text/a?value=${round}`, { method: 'PUT' })
      expect(await (await world.fetch('/shelf/text/a')).text()).toBe(String(round))
    }
  })

  it('answers a bug with a bare 500 and stays alive', async () => {
    await using world = await openShelf()
    const answer = await world.fetch('/shelf/broken', { method: 'POST', body: 'x' })
    expect(answer.status).toBe(500)
    expect(await answer.text()).toBe('internal error\n')
    expect(world.bugs).toHaveLength(1)
    expect((await world.fetch('/healthz')).status).toBe(200)
  })

  it('refuses before the body when the client waits for 100 Continue, and continues when it is wanted', async () => {
    await using world = await openShelf()
    const host = new URL(world.url).host
    const refused = await talk(
      world,
      [`PUT /shelf/blob/UPPER HTTP/1.1\r\nHost: ${host}\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n`],
      [/ 404 /],
    )
    expect(refused).toMatch(/^HTTP\/1.1 404 /)
    const taken = await talk(
      world,
      [
        `PUT /shelf/blob/thing HTTP/1.1\r\nHost: ${host}\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n`,
        'hello',
      ],
      [/100 Continue\r\n\r\n/, /^HTTP\/1.1 2/m],
    )
    expect(taken).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 201 /)
  })

  it('lets a client see the refusal of a body that it is still sending', async () => {
    await using world = await openShelf()
    const answer = await rawRequest(world.url, {
      method: 'PUT',
      path: '/shelf/blob/UPPER',
      body: Buffer.alloc(20_000_000),
    })
    expect(answer.status).toBe(404)
    const tooLarge = await rawRequest(world.url, {
      method: 'PUT',
      path: '/shelf/blob/thing',
      headers: { 'Content-Length': '200000000' },
    })
    expect(tooLarge.status).toBe(413)
  })

  it('stores nothing of an upload that is cut, wherever it is cut', async () => {
    await using world = await openShelf()
    const host = new URL(world.url).host
    for (const sentBytes of [0, 1, 1000, 99_999]) {
      const socket = connect(Number(new URL(world.url).port), '127.0.0.1')
      await once(socket, 'connect')
      socket.write(`PUT /shelf/blob/cut HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 100000\r\n\r\n`)
      socket.write(Buffer.alloc(sentBytes))
      await new Promise((resolve) => setTimeout(resolve, 30))
      socket.destroy()
    }
    await expect
      .poll(() => world.depot.get({ id: 1, name: 'main', domain: 'main' }, 'shelf-blob', 'cut'))
      .toBeUndefined()
    const chunked = await talk(
      world,
      [`PUT /shelf/blob/cut HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n`],
      [/ 400 /],
    )
    expect(chunked).toMatch(/^HTTP\/1.1 400 /)
    expect(world.bugs).toEqual([])
  })

  it('answers requests that come without waiting, in order and whole', async () => {
    await using world = await openShelf()
    const content = randomBytes(1_000_000)
    const digest = await put(world, content)
    const { host } = new URL(world.url)
    const line = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n`
    const last = `${line('/healthz')}Connection: close\r\n\r\n`
    const { text } = await exchange(world.url, `${line(`/shelf/blob/${digest}`)}\r\n`.repeat(20) + last)
    expect(text.split(content.toString('latin1'))).toHaveLength(21)
    expect(text).toMatch(/ok\n$/)
  })

  it('takes up nothing of what a client sent without waiting, once the client is gone', async () => {
    await using world = await openShelf()
    const digest = await put(world, randomBytes(30_000_000))
    const { host, port } = new URL(world.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(`GET /shelf/blob/${digest} HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(50))
    await once(socket, 'readable')
    socket.destroy()
    await world.server.close()
    expect(world.bugs).toEqual([])
  })

  it('cuts an answer whose bytes cannot be read, and says so once', async () => {
    await using world = await openShelf()
    const digest = await put(world, randomBytes(30_000_000))
    const answer = await world.fetch(`/shelf/blob/${digest}`)
    const file = join(world.dir, 'blobs', blobLocation('main', digest))
    chmodSync(file, 0o600)
    truncateSync(file, 10_000_000)
    await expect(answer.arrayBuffer()).rejects.toThrow()
    await expect
      .poll(() => world.bugs)
      .toEqual([expect.objectContaining({ message: expect.stringMatching(/storage ended/) })])
    expect((await world.fetch('/healthz')).status).toBe(200)
  })

  it('closes without waiting for connections on which nothing or half a request came', async () => {
    await using world = await openShelf()
    const { hostname, port } = new URL(world.url)
    const sockets = ['', 'GET /healthz HTTP/1.1\r\nHo'].map((text) => {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => {}).write(text)
      return socket
    })
    const ends = sockets.map((socket) => once(socket, 'close'))
    await world.fetch('/healthz')
    await world.server.close()
    await Promise.all(ends)
  })

  it('finishes running downloads when it closes, and takes no new connection', async () => {
    await using world = await openShelf()
    const content = randomBytes(30_000_000)
    const digest = await put(world, content)
    const answer = await world.fetch(`/shelf/blob/${digest}`)
    const closed = world.server.close()
    await expect(world.fetch('/healthz')).rejects.toThrow()
    expect(Buffer.from(await answer.arrayBuffer()).equals(content)).toBe(true)
    await closed
  })
})

/** Send pieces over a bare connection, each when the answers so far match what it waits for, and return everything that came back. */
async function talk(world: World, pieces: readonly string[], answers: readonly RegExp[]): Promise<string> {
  const socket: Socket = connect(Number(new URL(world.url).port), '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  socket.on('error', () => {})
  for (const [index, piece] of pieces.entries()) {
    socket.write(piece)
    await expect.poll(() => text, { timeout: 10_000 }).toMatch(answers[index] ?? /$/)
  }
  socket.destroy()
  return text
}
