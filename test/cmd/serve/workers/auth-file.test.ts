import { writeFileSync } from 'node:fs'
import process from 'node:process'

import { describe, expect, it } from 'vitest'

import { lineKey } from '../../../helpers/auth-lines.ts'
import { heldWorkers } from '../../../helpers/held-workers.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'
import { startWorkerServer, talkTo } from '../../../helpers/worker-server.ts'

const TIME = { timeout: 240_000 }
const POLL = { timeout: 60_000 }

describe('the auth file of several workers', () => {
  it('counts for all of them, and for those that come later, whatever state it is in then', TIME, async () => {
    await using home = await tempDir('workers-auth')
    const file = home.join('auth.keys')
    writeFileSync(file, `w ${lineKey(1).text} me\nr ${lineKey(2).text} reader\n`)
    await using server = await startWorkerServer({ args: ['--auth-file', file] })
    const statuses = async (): Promise<number[]> => {
      using one = await server.connectTo(1)
      using two = await server.connectTo(2)
      return [(await one.ask('GET', '/npm/-/whoami')).status, (await two.ask('GET', '/python/simple/')).status]
    }
    expect(await statuses()).toEqual([401, 401])
    // Reads that needed a key need one for as long as the server runs, and so in a worker that has never seen that key.
    writeFileSync(file, `w ${lineKey(1).text} me\n`)
    process.kill(server.pid, 'SIGHUP')
    await expect.poll(() => server.logs(), POLL).toContain('auth file read again')
    writeFileSync(file, 'w nonsense\n')
    process.kill(server.pid, 'SIGHUP')
    await expect.poll(() => server.logs(), POLL).toContain('auth file not taken')
    const before = await server.workerPids()
    for (const pid of before) process.kill(pid, 'SIGKILL')
    await expect
      .poll(async () => (await server.workerPids()).filter((pid) => !before.includes(pid)).length, POLL)
      .toBe(2)
    expect(await statuses()).toEqual([401, 401])
  })

  it('counts as it is for a worker that was starting when it changed', TIME, async () => {
    await using home = await tempDir('workers-auth')
    const file = home.join('auth.keys')
    writeFileSync(file, `w ${lineKey(1).text} me\n`)
    await using held = await heldWorkers()
    await using server = await startWorkerServer({ args: ['--auth-file', file], env: held.env })
    expect((await fetch(`${server.url}/python/simple/`)).status).toBe(200)
    const before = await server.workerPids()
    held.hold()
    for (const pid of before) process.kill(pid, 'SIGKILL')
    const starting = async (): Promise<readonly number[]> =>
      (await server.workerPids()).filter((pid) => !before.includes(pid))
    await expect.poll(starting, POLL).toHaveLength(2)
    // From now on reads need a key as well.
    writeFileSync(file, `w ${lineKey(1).text} me\nr ${lineKey(2).text} reader\n`)
    process.kill(server.pid, 'SIGHUP')
    await expect.poll(() => server.logs(), POLL).toContain('auth file read again')
    held.release()
    for (let count = 0; count < 4; count++) {
      using talk = talkTo(server.url)
      expect((await talk.ask('GET', '/python/simple/')).status).toBe(401)
    }
  })
})
