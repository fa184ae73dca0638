import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { freePort } from '../helpers/free-port.ts'
import { killedWhen } from '../helpers/killed-depot.ts'
import { pushedStore, pushFrom, servedNar, storePath } from '../helpers/pushed-store.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { startServerProcess, type ServerProcess } from '../helpers/server-process.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import type { AddedPath } from '../helpers/local-store.ts'

const ROUNDS = Number(process.env['DEPOT_TEST_ROUNDS'] ?? 20)
const PATHS = 60

/** Every path that a depot tells of is there whole, with all that it refers to. */
async function wholePaths(server: ServerProcess, paths: readonly AddedPath[]): Promise<number> {
  const fetched = { fetch: (at: string) => fetch(server.url + at) }
  let known = 0
  // Each refers to those before it. Those are asked for behind it: the depot may still be at what the one who was killed sent last.
  for (const [index, one] of [...paths.entries()].toReversed()) {
    const nar = await servedNar(fetched, one)
    if (nar !== undefined && known === 0) known = index + 1
    if (known > 0) expect(nar?.equals(one.nar)).toBe(true)
  }
  return known
}

describe('a push of store paths', () => {
  it(`leaves nothing half when it is killed, ${ROUNDS} times, and the last one sends only what is missing`, async () => {
    await using store = await pushedStore()
    await using data = await tempDir('push-data')
    await using server = await startServerProcess({ dataDir: data.path })
    const paths = await store.closure(PATHS)
    const top = paths.at(-1)
    if (top === undefined) throw new Error('nothing was made')
    const args = ['nix', 'push', server.url, '--nix-store', store.root, storePath(top)]
    let there = 0
    for (let round = 0; round < ROUNDS; round++) {
      await killedWhen(() => true, args, 300 + (round * 1200) / ROUNDS)
      const now = await wholePaths(server, paths)
      expect(now).toBeGreaterThanOrEqual(there)
      there = now
    }
    const { status, stdout } = await pushFrom(store, server.url, storePath(top))
    expect(status).toBe(0)
    const told = /^sent (?<sent>\d+) \(.*, (?<there>\d+) there already, 0 failed$/m.exec(stdout)?.groups
    // What the last one who was killed had sent may have been taken in after it was looked at.
    expect(Number(told?.['there'])).toBeGreaterThanOrEqual(there)
    expect(Number(told?.['sent']) + Number(told?.['there'])).toBe(PATHS)
    expect(await wholePaths(server, paths)).toBe(PATHS)
    await server.stop()
    expect(await runDepot(['fsck', '--full', '--store-path', data.path])).toMatchObject({ status: 0 })
  }, 240_000)

  it('goes on when the depot is killed in the middle and comes back', async () => {
    await using store = await pushedStore()
    await using data = await tempDir('push-data')
    const port = await freePort()
    const paths = await store.closure(PATHS)
    const top = paths.at(-1)
    if (top === undefined) throw new Error('nothing was made')
    const first = await startServerProcess({ dataDir: data.path, port })
    const pushing = pushFrom(store, first.url, storePath(top))
    while ((await wholePaths(first, paths.slice(0, 1))) === 0) await sleep(10)
    await first.stop('SIGKILL')
    await first[Symbol.asyncDispose]()
    await using second = await startServerProcess({ dataDir: data.path, port })
    const { status, stdout, stderr } = await pushing
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/, 0 failed\n$/)
    expect(await wholePaths(second, paths)).toBe(PATHS)
  }, 120_000)

  it('is no failure when others push the same at the same time', async () => {
    await using store = await pushedStore()
    await using server = await startServerProcess()
    const paths = await store.closure(PATHS)
    const top = paths.at(-1)
    if (top === undefined) throw new Error('nothing was made')
    const pushes = await Promise.all([1, 2, 3].map(() => pushFrom(store, server.url, storePath(top))))
    for (const { status, stderr } of pushes) expect([status, stderr]).toEqual([0, ''])
    const sent = pushes.map(({ stdout }) => Number(/^sent (?<count>\d+) \(/m.exec(stdout)?.groups?.['count']))
    expect(sent.reduce((sum, count) => sum + count, 0)).toBe(PATHS)
    expect(await wholePaths(server, paths)).toBe(PATHS)
  }, 120_000)
})
