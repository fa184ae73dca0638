import { connect } from 'node:net'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startWorkerServer, talkTo, type WorkerServer } from '../../../helpers/worker-server.ts'

const TIME = { timeout: 240_000 }
const POLL = { timeout: 60_000 }

let server: WorkerServer
beforeAll(async () => {
  server = await startWorkerServer()
})
afterAll(() => server[Symbol.asyncDispose]())

describe('several workers', () => {
  it('have as many connections each as the others', TIME, async () => {
    const talks = Array.from({ length: 16 }, () => talkTo(server.url))
    await Promise.all(talks.map((talk, index) => talk.ask('GET', `/-/even-${index}`)))
    const even = () => server.entries().filter(({ path }) => path?.startsWith('/-/even-') === true)
    await expect.poll(() => even().length, POLL).toBe(16)
    expect(even().filter(({ worker }) => worker === 1)).toHaveLength(8)
    for (const talk of talks) talk[Symbol.dispose]()
  })

  it('answer a client that ends its side when it has asked', TIME, async () => {
    const { port } = new URL(server.url)
    const answer = await new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connect(Number(port), '127.0.0.1', () =>
        socket.end(`GET /healthz HTTP/1.0\r\nHost: 127.0.0.1:${port}\r\n\r\n`),
      )
      socket.setEncoding('utf8').on('data', (piece: string) => (text += piece))
      socket.once('end', () => resolve(text)).once('error', reject)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('the log of several workers', () => {
  it('has whole lines', TIME, async () => {
    await using server = await startWorkerServer()
    const name = 'x'.repeat(1500)
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        using talk = talkTo(server.url)
        for (let count = 0; count < 100; count++) await talk.ask('GET', `/-/${name}`)
      }),
    )
    expect(await server.stop()).toBe(0)
    const lines = server
      .logs()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('depot:'))
    expect(lines.filter((line) => !/^\{.*\}$/.test(line))).toEqual([])
    const workers = server.entries().filter(({ path }) => path === `/-/${name}`)
    expect(workers).toHaveLength(1600)
    expect(new Set(workers.map(({ worker }) => worker))).toEqual(new Set([1, 2]))
  })
})
