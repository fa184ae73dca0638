import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { once } from 'node:events'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect, it } from 'vitest'

import { slowGet, wheelUpload } from '../../../helpers/slow-transfers.ts'
import { lives, startWorkerServer } from '../../../helpers/worker-server.ts'

it('a worker that has something to say to a parent that was killed goes on with what it sends, and ends', async () => {
  await using server = await startWorkerServer()
  const { path, content } = wheelUpload('large', randomBytes(30_000_000))
  expect((await fetch(server.url + path, { method: 'PUT', body: Uint8Array.from(content) })).status).toBe(201)
  const file = `${server.url}/python/files/large/${path.split('/').at(-1) ?? ''}`
  const downloads = [await slowGet(file), await slowGet(file)]
  const pids = await server.workerPids()
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  // They are to say that they have taken these.
  const given = [0, 1].map(() => connect(Number(new URL(server.url).port), '127.0.0.1'))
  for (const connection of given) connection.on('error', () => {})
  await Promise.all(given.map((connection) => once(connection, 'connect')))
  await sleep(300)
  await server.stop('SIGKILL')
  for (const pid of pids) process.kill(pid, 'SIGCONT')
  for (const { rest } of downloads) expect((await rest()).equals(content)).toBe(true)
  for (const pid of pids) await expect.poll(() => lives(pid), { timeout: 60_000 }).toBe(false)
  expect(server.logs()).not.toContain('EPIPE')
  for (const connection of given) connection.destroy()
}, 240_000)
