import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { heldWorkers } from '../../../helpers/held-workers.ts'
import { startServerProcess } from '../../../helpers/server-process.ts'
import { startWorkerServer, talkTo } from '../../../helpers/worker-server.ts'

describe.each([['one process'], ['workers', '--workers', '2']])('--drain-delay, with %s', (_title, ...args) => {
  it('says that the server is going while it still takes connections', async () => {
    await using server = await startServerProcess({ args: [...args, '--drain-delay', '60'] })
    using kept = talkTo(server.url)
    expect((await kept.ask('GET', '/readyz')).headers.connection).not.toBe('close')
    const stopped = server.stop('SIGTERM')
    await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status, { interval: 10 }).toBe(503)
    // Another worker may hear of it a little later.
    await expect.poll(async () => (await fetch(`${server.url}/readyz`)).text(), { interval: 10 }).toBe('draining\n')
    // Whoever keeps a connection is told to open another one, elsewhere by then.
    const told = async () => (await kept.ask('GET', '/nix/nix-cache-info')).headers.connection
    await expect.poll(told, { interval: 10 }).toBe('close')
    expect((await fetch(`${server.url}/nix/nix-cache-info`)).status).toBe(200)
    void server.stop('SIGTERM')
    expect(await stopped).toBe(0)
  })

  it('lets the server go when it is over', async () => {
    await using server = await startServerProcess({ args: [...args, '--drain-delay', '1'] })
    const started = performance.now()
    expect(await server.stop('SIGTERM')).toBe(0)
    expect(performance.now() - started).toBeGreaterThan(950)
    await expect(fetch(server.url)).rejects.toThrow()
  })

  it('waits no longer when the server is told a second time', async () => {
    await using server = await startServerProcess({ args: [...args, '--drain-delay', '60'] })
    const stopped = server.stop('SIGTERM')
    await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status, { interval: 10 }).toBe(503)
    const started = performance.now()
    void server.stop('SIGTERM')
    expect(await Promise.race([stopped, sleep(20_000, 'hangs')])).toBe(0)
    expect(performance.now() - started).toBeLessThan(15_000)
  })
})

describe('--drain-delay, with workers that start meanwhile', () => {
  it('has them say that the server is going, from their first answer on', { timeout: 240_000 }, async () => {
    await using held = await heldWorkers()
    await using server = await startWorkerServer({ args: ['--drain-delay', '60'], env: held.env })
    const before = await server.workerPids()
    held.hold()
    for (const pid of before) process.kill(pid, 'SIGKILL')
    const starting = async (): Promise<readonly number[]> =>
      (await server.workerPids()).filter((pid) => !before.includes(pid))
    await expect.poll(starting, { timeout: 60_000 }).toHaveLength(2)
    const stopped = server.stop('SIGTERM')
    await expect.poll(() => server.logs()).toContain('stopping')
    held.release()
    const statuses: number[] = []
    for (let count = 0; count < 6; count++) {
      using talk = talkTo(server.url)
      statuses.push((await talk.ask('GET', '/readyz')).status)
    }
    expect(new Set(statuses)).toEqual(new Set([503]))
    void server.stop('SIGTERM')
    expect(await stopped).toBe(0)
  })
})
