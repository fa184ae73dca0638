import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { slowPut, wheelUpload } from '../../../helpers/slow-transfers.ts'
import { lives, startWorkerServer, talkTo } from '../../../helpers/worker-server.ts'

const TIME = { timeout: 240_000 }
const POLL = { timeout: 60_000 }

describe('a worker that is killed', () => {
  it('is replaced, and nobody is refused while it is', TIME, async () => {
    await using server = await startWorkerServer()
    for (let round = 0; round < 3; round++) {
      const [victim = 0] = await server.workerPids()
      process.kill(victim, 'SIGKILL')
      // Each is a connection of its own.
      for (let count = 0; count < 10; count++) {
        using talk = talkTo(server.url)
        expect((await talk.ask('GET', '/healthz')).status).toBe(200)
      }
      await expect.poll(async () => (await server.workerPids()).filter((pid) => pid !== victim).length, POLL).toBe(2)
      // Both serve again, or this waits in vain.
      for (const worker of [1, 2]) {
        using _talk = await server.connectTo(worker)
      }
    }
    expect(await server.stop()).toBe(0)
    expect(
      server.entries().filter(({ msg, how }) => msg === 'worker ended' && how === 'ended by SIGKILL'),
    ).toHaveLength(3)
  })

  it('takes nobody with it: connections wait when all are gone at once', TIME, async () => {
    await using server = await startWorkerServer()
    for (const pid of await server.workerPids()) process.kill(pid, 'SIGKILL')
    await sleep(20)
    const statuses = await Promise.all(
      Array.from({ length: 8 }, () => fetch(`${server.url}/healthz`).then(({ status }) => status)),
    )
    expect(new Set(statuses)).toEqual(new Set([200]))
  })

  it('leaves what others upload alone, and what it had staged is removed', TIME, async () => {
    await using server = await startWorkerServer()
    const staged = (): string[] => readdirSync(`${server.dataDir}/blobs/tmp`)
    const pids = await server.workerPids()
    const { path, content } = wheelUpload('kept')
    const uploads = Array.from({ length: 4 }, () => slowPut(server.url + path, content))
    await Promise.all(uploads.map(({ started }) => started))
    await expect.poll(() => staged().length, POLL).toBe(4)
    const [victim = 0, sibling = 0] = pids
    expect(staged().filter((name) => name.split('-')[1] === String(victim))).toHaveLength(2)
    process.kill(victim, 'SIGKILL')
    await expect.poll(() => staged().filter((name) => name.split('-')[1] === String(victim)), POLL).toEqual([])
    expect(staged().filter((name) => name.split('-')[1] === String(sibling))).toHaveLength(2)
    const ends = await Promise.allSettled(uploads.map(({ finish }) => finish()))
    const statuses = ends.map((end) => (end.status === 'fulfilled' ? end.value : 'cut'))
    expect(statuses.filter((status) => status === 201 || status === 200)).toHaveLength(2)
    expect(statuses.filter((status) => status === 'cut')).toHaveLength(2)
  })
})

describe('a parent that is killed', () => {
  it('is outlived by what its workers were sending, and by nothing else', TIME, async () => {
    await using server = await startWorkerServer()
    const { path, content } = wheelUpload('large', randomBytes(30_000_000))
    expect((await fetch(server.url + path, { method: 'PUT', body: Uint8Array.from(content) })).status).toBe(201)
    const download = await fetch(`${server.url}/python/files/large/${path.split('/').at(-1) ?? ''}`)
    const pids = await server.workerPids()
    await server.stop('SIGKILL')
    // On a connection of its own: an older one leads to a worker, which may not have noticed yet.
    using talk = talkTo(server.url)
    await expect(talk.ask('GET', '/healthz')).rejects.toThrow()
    expect(Buffer.from(await download.arrayBuffer()).equals(content)).toBe(true)
    for (const pid of pids) await expect.poll(() => lives(pid), POLL).toBe(false)
    await using again = await startWorkerServer({ dataDir: server.dataDir })
    expect((await fetch(`${again.url}/python/simple/large/`)).status).toBe(200)
  })
})
