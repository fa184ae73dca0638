import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'

import { describe, expect, it } from 'vitest'

import { watchArrivals } from '../../../src/node/arrivals.ts'

interface Asked {
  readonly path: string
  readonly wasOnItsWay: boolean
}

async function startWatched() {
  const asked: Asked[] = []
  const server = createServer((incoming, outgoing) => {
    asked.push({ path: incoming.url ?? '', wasOnItsWay: wasOnItsWay(incoming) })
    incoming.resume().once('end', () => outgoing.end('x'))
  })
  const wasOnItsWay = watchArrivals(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    asked,
    async open(): Promise<Socket> {
      const socket = connect(port, '127.0.0.1').resume()
      await once(socket, 'connect')
      return socket
    },
    connections: () =>
      new Promise<number>((resolve) => server.getConnections((_error, connections) => resolve(connections))),
    async count(requests: number): Promise<void> {
      await expect.poll(() => asked.length, { timeout: 20_000 }).toBe(requests)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
}

describe('a request', () => {
  it('was on its way when it is the only one that its client has sent', async () => {
    await using server = await startWatched()
    const socket = await server.open()
    for (let count = 1; count <= 3; count++) {
      socket.write(get(`/${count}`))
      await server.count(count)
    }
    expect(server.asked.map(({ wasOnItsWay }) => wasOnItsWay)).toEqual([true, true, true])
  })

  it('may have come later when another of its connection was read with it', async () => {
    await using server = await startWatched()
    const socket = await server.open()
    socket.write(get('/1') + get('/2'))
    await server.count(2)
    expect(server.asked).toEqual([
      { path: '/1', wasOnItsWay: true },
      { path: '/2', wasOnItsWay: false },
    ])
  })

  it('may have come later when the rest of a body could have been read with it', async () => {
    await using server = await startWatched()
    const socket = await server.open()
    socket.write('PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n')
    await server.count(1)
    socket.write(`ab${get('/2')}`)
    await server.count(2)
    socket.write(get('/3'))
    await server.count(3)
    expect(server.asked.map(({ wasOnItsWay }) => wasOnItsWay)).toEqual([true, false, true])
  })

  it('may have come later where there are so many connections that the loop looks for news of them twice', async () => {
    await using server = await startWatched()
    const sockets = await Promise.all(Array.from({ length: 800 }, () => server.open()))
    await expect.poll(() => server.connections(), { timeout: 20_000 }).toBe(800)
    const [first] = sockets
    first?.write(get('/1'))
    await server.count(1)
    expect(server.asked).toEqual([{ path: '/1', wasOnItsWay: false }])
    for (const socket of sockets.slice(1)) socket.destroy()
    await expect
      .poll(
        async () => {
          const before = server.asked.length
          first?.write(get('/again'))
          await server.count(before + 1)
          return server.asked.at(-1)?.wasOnItsWay
        },
        { timeout: 20_000 },
      )
      .toBe(true)
  })
})
