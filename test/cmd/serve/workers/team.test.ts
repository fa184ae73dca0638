import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it, vi } from 'vitest'

import { serveConfig } from '../../../../cmd/settings/parse-config.ts'
import { createTeam, type Team, type TeamOptions } from '../../../../cmd/serve/workers/team.ts'
import { heldWorkers, type HeldWorkers } from '../../../helpers/held-workers.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'
import { childrenOf, lives, talkTo } from '../../../helpers/worker-server.ts'

const TIME = { timeout: 120_000 }
const POLL = { timeout: 60_000 }
const PATIENT = { startMs: 60_000, pulse: { everyMs: 5_000, missedMax: 4 } }

describe('a team of workers', () => {
  it('starts as many at once as it may, and the next when those serve', TIME, async () => {
    await using world = await openTeam({ count: 3, atOnce: 2 })
    world.held.hold()
    const begun = world.team.begin()
    const [, two = 0] = await born(2)
    world.held.release(two)
    await expect.poll(() => hasOpened(two), POLL).toBe(true)
    await sleep(300)
    expect(world.started).toEqual([1, 2])
    world.held.release()
    await begun
    expect(world.started).toEqual([1, 2, 3])
    expect(await childrenOf(process.pid)).toHaveLength(3)
  })

  it('kills one that hangs while it starts, says so, and has another take its place', TIME, async () => {
    // The other one must have started by then, on however busy a machine.
    await using world = await openTeam({ count: 2, atOnce: 2, patience: { ...PATIENT, startMs: 15_000 } })
    world.held.hold()
    const begun = world.team.begin()
    const [one = 0, two = 0] = await born(2)
    world.held.release(one)
    await begun
    world.held.release()
    await expect.poll(() => lives(two), POLL).toBe(false)
    expect(world.ends[0]).toMatch(/^2: worker 2 could not serve within 15 s of its start: .* again in 100 ms$/)
    await expect.poll(() => childrenOf(process.pid), POLL).toHaveLength(2)
  })

  it('cannot begin when all of the first that start hang, and leaves nobody', TIME, async () => {
    await using world = await openTeam({ count: 3, atOnce: 2, patience: { ...PATIENT, startMs: 1_000 } })
    world.held.hold()
    const begun = world.team.begin().catch((error: unknown) => error)
    const message = expect.stringContaining('could not serve within 1 s of its start') as unknown
    expect(await begun).toMatchObject({ code: 'STORAGE_DOWN', message })
    expect(await childrenOf(process.pid)).toEqual([])
    await sleep(500)
    expect(world.started).toEqual([1, 2])
    expect(world.ends).toEqual([])
  })

  it('kills one that hangs when it serves, and has what was on its way to it answered', TIME, async () => {
    // Long enough for the other one to answer, on however busy a machine.
    const pulse = { everyMs: 2_500, missedMax: 4 }
    await using world = await openTeam({ count: 2, atOnce: 2, patience: { ...PATIENT, pulse } })
    await world.team.begin()
    const url = await world.listen()
    const [victim = 0] = await childrenOf(process.pid)
    process.kill(victim, 'SIGSTOP')
    const statuses = await Promise.all(
      Array.from({ length: 24 }, async () => {
        using talk = talkTo(url)
        return (await talk.ask('GET', '/healthz')).status
      }),
    )
    expect(new Set(statuses)).toEqual(new Set([200]))
    await expect.poll(() => lives(victim), POLL).toBe(false)
    await expect.poll(() => world.ends, POLL).toHaveLength(1)
    expect(world.ends[0]).toContain('ended by SIGKILL, because it did not answer any more')
  })
})

interface TeamWorld extends AsyncDisposable {
  readonly team: Team
  readonly held: HeldWorkers
  /** Numbers of those that were started. */
  readonly started: readonly number[]
  /** What was said of those that ended. */
  readonly ends: readonly string[]
  /** Accept connections for them. */
  listen(): Promise<string>
}

/** A team in this process, over a database of its own. */
async function openTeam(options: Pick<TeamOptions, 'count' | 'atOnce' | 'patience'>): Promise<TeamWorld> {
  const dir = await tempDir('team')
  const held = await heldWorkers()
  for (const [name, value] of Object.entries(held.env)) vi.stubEnv(name, value)
  const config = serveConfig(new Map([['store-path', [dir.join('data')]]]), {}, dir.path)
  const started: number[] = []
  const ends: string[] = []
  const team = createTeam({
    ...options,
    start(number) {
      started.push(number)
      return { config, number, writes: false, auth: undefined }
    },
    writer: undefined,
    events: {
      workerEnded: (number, how, pauseMs) => void ends.push(`${number}: ${how}, again in ${pauseMs} ms`),
      connectionMissed: () => {},
    },
    graceMs: 1_000,
  })
  const server = createServer({ pauseOnConnect: true }, (connection) => team.connections.offer(connection))
  return {
    team,
    held,
    started,
    ends,
    async listen() {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    },
    async [Symbol.asyncDispose]() {
      server.close()
      team.tellAll('abort')
      await team.end()
      vi.unstubAllEnvs()
      await held[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}

/** Children of this process, when there are so many. */
async function born(count: number): Promise<readonly number[]> {
  await expect.poll(() => childrenOf(process.pid), POLL).toHaveLength(count)
  return childrenOf(process.pid)
}

/** Whether a worker has opened its database, which is nearly the last thing before it serves. */
function hasOpened(pid: number): boolean {
  return readFileSync(`/proc/${pid}/maps`, 'utf8').includes('depot.db-shm')
}
