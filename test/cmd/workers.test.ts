import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import process from 'node:process'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { lineKey } from '../helpers/auth-lines.ts'
import { cleanEnv } from '../helpers/clean-env.ts'
import { publishOf, tarballOf } from '../helpers/npm-fixtures.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { slowPut } from '../helpers/slow-put.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { buildWheel } from '../helpers/wheel.ts'
import { childrenOf, lives, startWorkerServer, talkTo, type Talk, type WorkerServer } from '../helpers/worker-server.ts'

const TIME = { timeout: 240_000 }
const POLL = { timeout: 60_000 }
const LAUNCHER = path.join(import.meta.dirname, '..', '..', 'cmd', 'launch.js')
const JSON_TYPE = { 'content-type': 'application/json' }

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
    const args = ['serve', '--workers', '2', '--listen-addr', '127.0.0.1:0', '--store-path', home.join('data')]
    const child = spawn(process.execPath, [LAUNCHER, ...args], { env: cleanEnv(home.path), stdio: 'pipe' })
    const printed = text(child.stdout)
    const ended = once(child, 'close')
    await expect.poll(async () => (await childrenOf(child.pid ?? 0)).length, POLL).toBe(2)
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
    expect(await printed).toBe('')
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
    expect(await runDepot(['serve', '--workers', '3', ...noStore, '--store-path', home.path])).toEqual(one)
  })

  it('refuse a number that is none, and blobs in the memory of one process', async () => {
    for (const number of ['0', '1.5', '129', 'many'])
      expect(await runDepot(['serve', '--workers', number])).toMatchObject({ status: 2, stdout: '' })
    const memory = await runDepot(['serve', '--workers', '2', '--storage-type', 'memory'])
    expect(memory.stderr).toContain('--storage-type memory is the memory of one process')
    expect(await runDepot(['serve', '--workers', 'auto', '--check-config'])).toMatchObject({ status: 0 })
  })

  it('have as many connections each as the others', TIME, async () => {
    await using server = await startWorkerServer()
    const talks = Array.from({ length: 16 }, () => talkTo(server.url))
    await Promise.all(talks.map((talk, index) => talk.ask('GET', `/-/even-${index}`)))
    const even = () => server.entries().filter(({ path }) => path?.startsWith('/-/even-') === true)
    await expect.poll(() => even().length, POLL).toBe(16)
    expect(even().filter(({ worker }) => worker === 1)).toHaveLength(8)
    for (const talk of talks) talk[Symbol.dispose]()
  })

  it('answer a client that ends its side when it has asked', TIME, async () => {
    await using server = await startWorkerServer()
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

  it('show what one of them acknowledged to whoever asks another next', TIME, async () => {
    await using server = await startWorkerServer()
    const [one, two] = [await server.connectTo(1), await server.connectTo(2)]
    for (let round = 0; round < 60; round++) {
      const [writer, reader] = round % 2 === 0 ? [one, two] : [two, one]
      const name = `seen-${round}`
      // It is asked for before, so that its absence could be remembered.
      const noise = Array.from({ length: 5 }, () => fetch(`${server.url}/npm/${name}`).then((answer) => answer.text()))
      expect((await reader.ask('GET', `/npm/${name}`)).status).toBe(404)
      expect((await publish(writer, name, '1.0.0')).status).toBe(201)
      expect((await reader.ask('GET', `/npm/${name}`)).status).toBe(200)
      expect((await publish(reader, name, '1.0.1')).status).toBe(201)
      const { text } = await writer.ask('GET', `/npm/${name}`)
      expect(Object.keys((JSON.parse(text) as { versions: object }).versions)).toEqual(['1.0.0', '1.0.1'])
      await Promise.all(noise)
    }
  })

  it('let exactly one of many publishers of a version win, whichever worker has them', TIME, async () => {
    await using server = await startWorkerServer()
    const talks = [...(await connections(server, 1, 4)), ...(await connections(server, 2, 4))]
    for (let round = 0; round < 8; round++) {
      const answers = await Promise.all(talks.map((talk) => publish(talk, 'raced', `1.0.${round}`, randomBytes(200))))
      const statuses = answers.map(({ status }) => status).toSorted((left, right) => left - right)
      expect(statuses).toEqual([201, 409, 409, 409, 409, 409, 409, 409])
    }
    const { text } = await fetch(`${server.url}/npm/raced`).then(async (answer) => ({ text: await answer.text() }))
    expect(Object.keys((JSON.parse(text) as { versions: object }).versions)).toHaveLength(8)
  })

  it('lose no version of a package that all of them publish at once', TIME, async () => {
    await using server = await startWorkerServer()
    const talks = [...(await connections(server, 1, 4)), ...(await connections(server, 2, 4))]
    const all = Array.from({ length: 64 }, (_, index) => `1.0.${index}`)
    const statuses = await Promise.all(
      talks.map(async (talk, index) => {
        const own: number[] = []
        for (const version of all.filter((_, at) => at % 8 === index))
          own.push((await publish(talk, 'many', version)).status)
        return own
      }),
    )
    expect(new Set(statuses.flat())).toEqual(new Set([201]))
    const packument = (await (await fetch(`${server.url}/npm/many`)).json()) as { versions: object }
    expect(Object.keys(packument.versions)).toHaveLength(64)
    expect(await runDepot(['audit', 'verify', '--store-path', server.dataDir])).toMatchObject({ status: 0 })
  })

  it('write whole lines to the log that they share', TIME, async () => {
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
      await server.connectTo(1)
      await server.connectTo(2)
    }
    expect(
      server.entries().filter(({ msg, how }) => msg === 'worker ended' && how === 'ended by SIGKILL'),
    ).toHaveLength(3)
  })

  it('may be one that hangs: it is killed and replaced, and what was on its way to it is answered', TIME, async () => {
    await using server = await startWorkerServer()
    const [victim = 0] = await server.workerPids()
    process.kill(victim, 'SIGSTOP')
    const statuses = await Promise.all(
      Array.from({ length: 24 }, () => fetch(`${server.url}/healthz`).then(({ status }) => status)),
    )
    expect(new Set(statuses)).toEqual(new Set([200]))
    await expect.poll(() => lives(victim), POLL).toBe(false)
    const ends = () => server.entries().filter(({ msg }) => msg === 'worker ended')
    await expect.poll(() => ends().length, POLL).toBe(1)
    expect(ends()[0]?.how).toBe('ended by SIGKILL, because it did not answer any more')
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
    const bytes = wheelOf('kept')
    const uploads = Array.from({ length: 4 }, () => slowPut(`${server.url}${bytes.path}`, bytes.content))
    await Promise.all(uploads.map(({ started }) => started))
    await expect.poll(() => staged().length, POLL).toBe(4)
    const [victim = 0, sibling = 0] = pids
    expect(staged().filter((name) => name.startsWith(`${victim}-`))).toHaveLength(2)
    process.kill(victim, 'SIGKILL')
    await expect.poll(() => staged().filter((name) => name.startsWith(`${victim}-`)), POLL).toEqual([])
    expect(staged().filter((name) => name.startsWith(`${sibling}-`))).toHaveLength(2)
    const ends = await Promise.allSettled(uploads.map(({ finish }) => finish()))
    const statuses = ends.map((end) => (end.status === 'fulfilled' ? end.value : 'cut'))
    expect(statuses.filter((status) => status === 201 || status === 200)).toHaveLength(2)
    expect(statuses.filter((status) => status === 'cut')).toHaveLength(2)
  })
})

describe('a parent that is killed', () => {
  it('is outlived by what its workers were sending, and by nothing else', TIME, async () => {
    await using server = await startWorkerServer()
    const { path, content } = wheelOf('large', randomBytes(30_000_000))
    expect((await fetch(server.url + path, { method: 'PUT', body: Uint8Array.from(content) })).status).toBe(201)
    const download = await fetch(`${server.url}/python/files/large/${path.split('/').at(-1) ?? ''}`)
    const pids = await server.workerPids()
    await server.stop('SIGKILL')
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow()
    expect(Buffer.from(await download.arrayBuffer()).equals(content)).toBe(true)
    for (const pid of pids) await expect.poll(() => lives(pid), POLL).toBe(false)
    await using again = await startWorkerServer({ dataDir: server.dataDir })
    expect((await fetch(`${again.url}/python/simple/large/`)).status).toBe(200)
  })
})

describe('the end of several workers', () => {
  it('waits for what runs, and comes at once when it is asked for again', TIME, async () => {
    await using server = await startWorkerServer()
    const { path, content } = wheelOf('finished')
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

  it('is nothing that one process can do, and does not end it', TIME, async () => {
    await using server = await startServerProcess()
    process.kill(server.pid, 'SIGUSR2')
    await expect.poll(() => server.logs(), POLL).toContain('see --workers')
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  })
})

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
})

async function connections(server: WorkerServer, worker: number, count: number): Promise<Talk[]> {
  const talks: Talk[] = []
  while (talks.length < count) talks.push(await server.connectTo(worker))
  return talks
}

async function publish(talk: Talk, name: string, version: string, more: Uint8Array = Buffer.alloc(0)) {
  const packageJson = { name, version }
  const tarball = await tarballOf(packageJson, [{ name: 'package/more', content: Buffer.from(more) }])
  return talk.ask('PUT', `/npm/${name}`, { headers: JSON_TYPE, body: JSON.stringify(publishOf(packageJson, tarball)) })
}

function wheelOf(name: string, data: Uint8Array = randomBytes(300_000)) {
  const built = buildWheel({ name, version: '1.0', extra: [{ name: 'data.bin', content: Buffer.from(data) }] })
  return { path: `/python/${name}/${built.filename}`, content: Buffer.from(built.bytes) }
}
