import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { startWorkerServer, talkTo } from '../../../helpers/worker-server.ts'

const POLL = { timeout: 60_000 }

describe('workers that may not open more files', () => {
  it('drop connections and say so, and serve again when others have ended', { timeout: 240_000 }, async () => {
    await using server = await startWorkerServer()
    for (const pid of await server.workerPids()) await limitFiles(pid, 64)
    const { port } = new URL(server.url)
    const sockets: Socket[] = []
    for (let count = 0; count < 150; count++) {
      const socket = connect(Number(port), '127.0.0.1').on('error', () => {})
      sockets.push(socket.resume())
      await once(socket, 'connect')
    }
    await expect.poll(() => server.entries().some(({ msg }) => msg.startsWith('connection dropped')), POLL).toBe(true)
    for (const socket of sockets) socket.destroy()
    await expect.poll(() => isServing(server.url), POLL).toBe(true)
    // Every worker.
    for (const worker of [1, 2]) {
      using talk = await server.connectTo(worker)
      expect((await talk.ask('GET', '/healthz')).status).toBe(200)
    }
  })
})

async function limitFiles(pid: number, files: number): Promise<void> {
  const child = spawn('sh', ['-c', `prlimit --pid ${pid} --nofile=${files}:${files}`], { stdio: 'ignore' })
  const [status] = (await once(child, 'exit')) as [number | null]
  if (status !== 0) throw new Error(`prlimit of ${process.platform} ended with ${status}`)
}

async function isServing(url: string): Promise<boolean> {
  using talk = talkTo(url)
  const answer = talk.ask('GET', '/healthz').then(
    ({ status }) => status === 200,
    () => false,
  )
  return await Promise.race([answer, sleep(2_000, false)])
}
