import { randomBytes } from 'node:crypto'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../../../src/limits.ts'
import { slowGet, slowPut, wheelUpload } from '../../../helpers/slow-transfers.ts'
import { startServerProcess } from '../../../helpers/server-process.ts'
import {
  lives,
  publish,
  startWorkerServer,
  talkTo,
  type Talk,
  type WorkerServer,
} from '../../../helpers/worker-server.ts'

const TIME = { timeout: 240_000 }
const POLL = { timeout: 60_000 }

describe('the end of several workers', () => {
  it('waits for what runs, and comes at once when it is asked for again', TIME, async () => {
    await using server = await startWorkerServer()
    const { path, content } = wheelUpload('finished')
    const uploads = [slowPut(server.url + path, content), slowPut(server.url + path, content)]
    await Promise.all(uploads.map(({ started }) => started))
    const stopped = server.stop('SIGTERM')
    await expect
      .poll(
        () =>
          fetch(`${server.url}/readyz`).then(
            () => 'open',
            () => 'closed',
          ),
        POLL,
      )
      .toBe('closed')
    const statuses = await Promise.all(uploads.map(({ finish }) => finish()))
    expect(new Set(statuses)).toEqual(new Set([200, 201]))
    expect(await stopped).toBe(0)

    await using second = await startWorkerServer()
    const never = slowPut(second.url + path, content)
    await never.started
    const ended = second.stop('SIGTERM')
    await expect.poll(() => second.logs(), POLL).toContain('stopping')
    void second.stop('SIGINT')
    expect(await ended).toBe(0)
    await expect(never.finish()).rejects.toThrow()
  })
})

describe('a restart in turn', () => {
  it('replaces every worker without failing a request, on connections new and old', TIME, async () => {
    await using server = await startWorkerServer()
    const before = await server.workerPids()
    const failures: unknown[] = []
    let isDone = false
    let count = 0
    async function ask(talk: () => Talk, pauseMs: number): Promise<void> {
      for (let own = 0; !isDone; own++) {
        const client = talk()
        const name = `turn-${randomBytes(6).toString('hex')}`
        const answer = await (
          own % 3 === 0 ? publish(client, name, '1.0.0') : client.ask('GET', '/nix-cache-info')
        ).catch((error: unknown) => ({ status: 0, error }))
        count++
        if (answer.status !== 200 && answer.status !== 201) failures.push(answer)
        if (pauseMs > 0) await sleep(pauseMs)
      }
    }
    const kept = Array.from({ length: 4 }, () => talkTo(server.url))
    const clients = [
      ...kept.map((talk, index) => ask(() => talk, index * 7)),
      ...Array.from({ length: 4 }, () => ask(() => talkTo(server.url), 5)),
    ]
    process.kill(server.pid, 'SIGUSR2')
    await expect.poll(() => server.logs(), { timeout: 200_000 }).toContain('the workers are replaced')
    isDone = true
    await Promise.all(clients)
    expect(failures).toEqual([])
    expect(count).toBeGreaterThan(50)
    const after = await server.workerPids()
    expect(after).toHaveLength(2)
    expect(after.filter((pid) => before.includes(pid))).toEqual([])
  })

  it('lets uploads and downloads go on that take longer than idle connections are kept', TIME, async () => {
    await using server = await startWorkerServer()
    const before = [server.pid, ...(await server.workerPids())]
    const stored = wheelUpload('slowly-read', randomBytes(30_000_000))
    const { path: url, content } = stored
    expect((await fetch(server.url + url, { method: 'PUT', body: Uint8Array.from(content) })).status).toBe(201)
    // Connections are given in turn: each worker has one of both.
    const sent = ['first', 'second'].map((name) => wheelUpload(name))
    const uploads = sent.map((upload) => slowPut(server.url + upload.path, upload.content))
    await Promise.all(uploads.map(({ started }) => started))
    const file = `${server.url}/python/files/slowly-read/${url.split('/').at(-1) ?? ''}`
    const downloads = [await slowGet(file), await slowGet(file)]
    process.kill(server.pid, 'SIGUSR2')
    // The first one is replaced when another one answers.
    await expect.poll(() => isAnsweredByNew(server, before), POLL).toBe(true)
    await sleep(LIMITS.retireMs + 1000)
    expect(await Promise.all(uploads.map(({ finish }) => finish()))).toEqual([201, 201])
    for (const { rest } of downloads) expect((await rest()).equals(content)).toBe(true)
    await expect.poll(() => server.logs(), POLL).toContain('the workers are replaced')
    expect((await fetch(`${server.url}/python/simple/second/`)).status).toBe(200)
  })

  it('is over at once when the server is told to end in the middle of it', TIME, async () => {
    await using server = await startWorkerServer()
    const before = await server.workerPids()
    // Whoever is to go would wait for these.
    const idle = [talkTo(server.url), talkTo(server.url)]
    for (const talk of idle) await talk.ask('GET', '/healthz')
    process.kill(server.pid, 'SIGUSR2')
    await expect.poll(() => isAnsweredByNew(server, before), { ...POLL, interval: 10 }).toBe(true)
    const stopped = server.stop('SIGTERM')
    const ends = await Promise.all(before.map(endOf))
    // The one that was to go waits no longer than the one that was to stay.
    expect(Math.max(...ends) - Math.min(...ends)).toBeLessThan(LIMITS.retireMs / 2)
    expect(await stopped).toBe(0)
    for (const talk of idle) talk[Symbol.dispose]()
  })

  it('is nothing that one process can do, and does not end it', TIME, async () => {
    await using server = await startServerProcess()
    process.kill(server.pid, 'SIGUSR2')
    await expect.poll(() => server.logs(), POLL).toContain('see --workers')
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  })
})

/** Whether another process than those answers by now. */
async function isAnsweredByNew(server: WorkerServer, before: readonly number[]): Promise<boolean> {
  using talk = talkTo(server.url)
  await talk.ask('GET', '/healthz')
  return server.entries().some(({ pid = 0, msg }) => msg === 'request' && !before.includes(pid))
}

/** When a process ended, by `performance.now()`. */
async function endOf(pid: number): Promise<number> {
  await expect.poll(() => lives(pid), { ...POLL, interval: 20 }).toBe(false)
  return performance.now()
}
