import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { orderlyClose } from '../../../src/node/orderly-close.ts'

const GRACE_MS = 30_000
/** More than the buffers of two sockets hold. */
const BODY_BYTES = 20_000_000

describe('a server that ends', () => {
  it('sends the rest of an answer that is written and that its client has yet to read', async () => {
    const { server, ending } = await listening()
    const client = ask(server)
    await once(client, 'readable')
    const closed = ending.close()
    // Every connection without an answer to send is cut several times over by then.
    await sleep(300)
    expect((await received(client)).length).toBeGreaterThan(BODY_BYTES)
    await closed
  })

  it('sends it too when others take its place', async () => {
    const { server, ending } = await listening()
    const client = ask(server)
    await once(client, 'readable')
    const retired = ending.retire().then(() => ending.close())
    await sleep(300)
    expect((await received(client)).length).toBeGreaterThan(BODY_BYTES)
    await retired
  })

  it('ends connections whose answers have gone out, and not one that has begun to ask again', async () => {
    const { server, ending, bytesRead } = await listening()
    const [idle, asking] = [ask(server, 'HEAD'), ask(server, 'HEAD')]
    await Promise.all([once(idle, 'data'), once(asking, 'data')])
    const ended = once(idle, 'close')
    const before = bytesRead()
    asking.write('HEAD / HTTP/1.1\r\nHo')
    await expect.poll(bytesRead).toBeGreaterThan(before)
    const closed = ending.close()
    await sleep(200)
    asking.write('st: a\r\n\r\n')
    const [answer] = (await once(asking, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /)
    await Promise.all([ended, closed])
  })
})

async function listening() {
  const server = createServer((_incoming, outgoing) => {
    outgoing.setHeader('Content-Length', BODY_BYTES)
    outgoing.end(Buffer.alloc(BODY_BYTES, 'a'))
  })
  const ending = orderlyClose(server, GRACE_MS)
  const sockets: Socket[] = []
  server.on('connection', (socket) => sockets.push(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    server,
    ending,
    /** Of all its connections together. */
    bytesRead: () => sockets.reduce((sum, socket) => sum + socket.bytesRead, 0),
  }
}

function ask(server: Server, method = 'GET'): Socket {
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.write(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`)
  return client
}

async function received(client: Socket): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of client) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}
