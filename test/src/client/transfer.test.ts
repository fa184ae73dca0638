import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { describe, expect, it } from 'vitest'

import { inParallel } from '../../../src/client/in-parallel.ts'
import { NO_CREDENTIALS } from '../../../src/client/token-source.ts'
import { endsTransfer } from '../../../src/client/transfer-answer.ts'
import { createTransfer, type Transfer } from '../../../src/client/transfer.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'

interface Depot extends AsyncDisposable {
  readonly transfer: Transfer
  readonly seen: string[]
}

/** A server that answers the n-th request as it is told, and a transfer to it that hardly waits to try again. */
async function depot(
  answer: (count: number, outgoing: ServerResponse, incoming: IncomingMessage) => unknown,
  answerMsMax = 60_000,
): Promise<Depot> {
  const seen: string[] = []
  const server = createServer((incoming, outgoing) => {
    seen.push(`${incoming.method} ${incoming.url}`)
    answer(seen.length, outgoing, incoming)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/below/`)
  return {
    seen,
    transfer: createTransfer({ url, credentials: NO_CREDENTIALS, userAgent: 'a test', pauseMs: 1, answerMsMax }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const PUT = { method: 'PUT', path: '/npm/x', body: () => 'bytes' } as const

describe('a transfer', () => {
  it('ends with what the body threw, and does not try that again', async () => {
    await using world = await depot(async (_, outgoing, incoming) => {
      await incoming.toArray().catch(() => {})
      outgoing.end()
    })
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(100_000)
      throw new DepotError('CONTENT_MISMATCH', 'it changed while it was read')
    }
    await expect(world.transfer.send({ ...PUT, body })).rejects.toThrow('it changed while it was read')
    expect(world.seen.length).toBeLessThan(2)
  })

  it('says how the body is coded, and asks without one', async () => {
    const codings: unknown[] = []
    await using world = await depot((_, outgoing, incoming) => {
      codings.push(incoming.headers['content-encoding'])
      outgoing.end()
    })
    await world.transfer.send({ ...PUT, contentEncoding: 'zstd' })
    expect(await world.transfer.send({ method: 'HEAD', path: '/npm/x' })).toBe('')
    expect(codings).toEqual(['zstd', undefined])
    expect(world.seen).toEqual(['PUT /below/npm/x', 'HEAD /below/npm/x'])
  })

  it.each([429, 502, 503, 504])('tries again after a %s, with the body once more', async (status) => {
    const bodies: string[] = []
    await using world = await depot(async (count, outgoing, incoming) => {
      bodies.push(Buffer.concat(await incoming.toArray()).toString())
      outgoing.writeHead(count < 3 ? status : 201, count < 3 ? { 'Retry-After': '0' } : {}).end('fine')
    })
    expect(await world.transfer.send(PUT)).toBe('fine')
    expect(world.seen).toEqual(['PUT /below/npm/x', 'PUT /below/npm/x', 'PUT /below/npm/x'])
    expect(bodies).toEqual(['bytes', 'bytes', 'bytes'])
  })

  it('waits as long as the depot asks for', async () => {
    const times: number[] = []
    await using world = await depot((count, outgoing) => {
      times.push(performance.now())
      outgoing.writeHead(count === 1 ? 503 : 200, { 'Retry-After': '1' }).end()
    })
    await world.transfer.send(PUT)
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(990)
  })

  it('tries again when the connection breaks', async () => {
    await using world = await depot((count, outgoing) => (count < 3 ? outgoing.destroy() : outgoing.end('fine')))
    expect(await world.transfer.send(PUT)).toBe('fine')
  })

  it('gives up after some tries, and everything with it', async () => {
    await using world = await depot((_, outgoing) => outgoing.writeHead(503).end('the database is down'))
    await expect(world.transfer.send(PUT)).rejects.toThrow('the database is down')
    expect(world.seen).toHaveLength(LIMITS.transferTriesMax)
    await expect(world.transfer.send(PUT)).rejects.toThrow('the database is down')
    expect(world.seen).toHaveLength(LIMITS.transferTriesMax)
  })

  it.each([401, 403, 507])(
    'ends at once on a %s: what is under way is cut off, and nothing more is sent',
    async (status) => {
      await using world = await depot((_, outgoing, { url }) => {
        if (url?.endsWith('refused') === true) outgoing.writeHead(status).end('{"error":"not you"}')
      })
      const hanging = world.transfer.send({ method: 'GET', path: '/hanging' }).catch(String)
      while (world.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
      const failure = await world.transfer.send({ ...PUT, path: '/refused' }).catch((error: unknown) => error)
      expect(endsTransfer(failure)).toBe(true)
      expect(await hanging).toContain('not you')
      await expect(world.transfer.send(PUT)).rejects.toThrow('not you')
      expect(world.seen).toHaveLength(2)
    },
  )

  it.each([400, 404, 409, 413, 500])('lets others go on after a %s', async (status) => {
    await using world = await depot((count, outgoing) => outgoing.writeHead(count === 1 ? status : 200).end('words'))
    const failure = await world.transfer.send(PUT).catch((error: unknown) => error)
    expect(String(failure)).toContain('words')
    expect(endsTransfer(failure)).toBe(false)
    expect(await world.transfer.send(PUT)).toBe('words')
  })

  it('does not wait for ever for an answer that comes byte by byte, and tries again', async () => {
    await using world = await depot((count, outgoing) => {
      if (count >= 2) return void outgoing.end('fine')
      const timer = setInterval(() => outgoing.write('.'), 20)
      outgoing.on('close', () => clearInterval(timer))
    }, 300)
    expect(await world.transfer.send(PUT)).toBe('fine')
  })

  it('follows no redirect: its credentials are for this depot', async () => {
    await using world = await depot((_, outgoing) => outgoing.writeHead(302, { Location: '/elsewhere' }).end())
    await expect(world.transfer.send(PUT)).rejects.toThrow('sends us somewhere else')
    expect(world.seen).toHaveLength(1)
  })

  it('has only so many requests under way', async () => {
    const held: ServerResponse[] = []
    await using world = await depot((_, outgoing) => void held.push(outgoing))
    const all = Promise.all(Array.from({ length: 50 }, () => world.transfer.send(PUT)))
    for (let left = 50; left > 0; left -= LIMITS.transferAtOnce) {
      const atOnce = Math.min(left, LIMITS.transferAtOnce)
      await expect.poll(() => held.length).toBe(atOnce)
      // One too many would be here by now.
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(held).toHaveLength(atOnce)
      for (const outgoing of held.splice(0)) outgoing.end()
    }
    await all
  })
})

describe('work in parallel', () => {
  it('asks for an item only when somebody is free, and stops asking after a failure', async () => {
    let asked = 0
    let closed = false
    async function* items(): AsyncGenerator<number> {
      try {
        while (asked < 100) yield asked++
      } finally {
        closed = true
      }
    }
    const done: number[] = []
    const work = async (item: number): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      if (item === 5) throw new Error('five')
      done.push(item)
    }
    await expect(inParallel(items(), 2, work)).rejects.toThrow('five')
    expect(asked).toBeLessThan(10)
    expect(closed).toBe(true)
    expect(done).toEqual(expect.arrayContaining([0, 1, 2, 3, 4]))
  })
})
