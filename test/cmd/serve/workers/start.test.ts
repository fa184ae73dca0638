import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { text } from 'node:stream/consumers'

import { describe, expect, it } from 'vitest'

import { cleanEnv } from '../../../helpers/clean-env.ts'
import { heldWorkers } from '../../../helpers/held-workers.ts'
import { runDepot } from '../../../helpers/run-depot.ts'
import { startServerProcess } from '../../../helpers/server-process.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'
import { childrenOf, lives, startWorkerServer } from '../../../helpers/worker-server.ts'

const TIME = { timeout: 240_000 }
const POLL = { timeout: 60_000 }
const LAUNCHER = path.join(import.meta.dirname, '..', '..', '..', '..', 'cmd', 'launch.js')

describe('several workers', () => {
  it('start, greet once, answer, and end with their parent and status 0', TIME, async () => {
    await using server = await startWorkerServer()
    expect(server.greeting.match(/depot serves/g)).toHaveLength(1)
    const pids = await server.workerPids()
    expect(pids).toHaveLength(2)
    for (let count = 0; count < 4; count++) expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
    expect(await server.stop()).toBe(0)
    for (const pid of pids) expect(await lives(pid)).toBe(false)
    expect(server.logs()).not.toMatch(/"level":[56]0/)
  })

  it('end with status 0 when they are told to before they serve', TIME, async () => {
    await using home = await tempDir('workers-early')
    await using held = await heldWorkers()
    held.hold()
    const args = ['serve', '--workers', '2', '--listen-addr', '127.0.0.1:0', '--store-path', home.join('data')]
    const child = spawn(process.execPath, [LAUNCHER, ...args], { env: cleanEnv(home.path, held.env), stdio: 'pipe' })
    const printed = text(child.stdout)
    const ended = once(child, 'close')
    await expect.poll(async () => (await childrenOf(child.pid ?? 0)).length, POLL).toBe(2)
    child.kill('SIGTERM')
    held.release()
    expect(await ended).toEqual([0, null])
    expect(await printed).toBe('')
  })

  it('go on when they are told meanwhile to be replaced, and are then', TIME, async () => {
    await using home = await tempDir('workers-told')
    const args = ['serve', '--workers', '2', '--listen-addr', '127.0.0.1:0', '--store-path', home.join('data')]
    const child = spawn(process.execPath, [LAUNCHER, ...args], { env: cleanEnv(home.path), stdio: 'pipe' })
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (piece: string) => (said += piece))
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (said += piece))
    const ended = once(child, 'close')
    await expect.poll(async () => (await childrenOf(child.pid ?? 0)).length, POLL).toBe(2)
    child.kill('SIGUSR2')
    await expect.poll(() => said, POLL).toContain('depot serves')
    await expect.poll(() => said, POLL).toContain('the workers are replaced')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })

  it('say in one line why they cannot start, as one process does', TIME, async () => {
    await using home = await tempDir('workers')
    const store = ['--store-path', home.join('data')]
    await using taken = await startServerProcess()
    const address = new URL(taken.url).host
    const second = await runDepot(['serve', '--workers', '2', '--listen-addr', address, ...store])
    expect(second).toMatchObject({ status: 2, stdout: '' })
    expect(second.stderr).toContain(`${address} is taken`)

    writeFileSync(home.join('auth.keys'), 'w ssh-ed25519 nonsense\n')
    const bad = ['--listen-addr', '127.0.0.1:0', '--auth-file', home.join('auth.keys'), ...store]
    const alone = await runDepot(['serve', ...bad])
    expect(await runDepot(['serve', '--workers', '2', ...bad])).toEqual(alone)

    writeFileSync(home.join('blobs'), 'not a folder')
    const noStore = ['--listen-addr', '127.0.0.1:0', '--database-url', `sqlite://${home.join('a.db')}`]
    const one = await runDepot(['serve', ...noStore, '--store-path', home.path])
    expect(one.status).toBe(1)
    expect(await runDepot(['serve', '--workers', '2', ...noStore, '--store-path', home.path])).toEqual(one)
  })

  it('refuse a number that is none, and blobs in the memory of one process', async () => {
    for (const number of ['0', '1.5', '129', 'many'])
      expect(await runDepot(['serve', '--workers', number])).toMatchObject({ status: 2, stdout: '' })
    const memory = await runDepot(['serve', '--workers', '2', '--storage-type', 'memory'])
    expect(memory.stderr).toContain('--storage-type memory is the memory of one process')
    expect(await runDepot(['serve', '--workers', 'auto', '--check-config'])).toMatchObject({ status: 0 })
  })

  it('are warned of in one line when they are more than the cores', TIME, async () => {
    const cores = availableParallelism()
    await using server = await startWorkerServer({}, cores + 1)
    expect(await server.workerPids()).toHaveLength(cores + 1)
    expect(server.logs().match(/^depot: --workers .*$/gm)).toEqual([
      `depot: --workers ${cores + 1} on ${cores} ${cores === 1 ? 'core' : 'cores'}: the others only take memory`,
    ])
  })
})
