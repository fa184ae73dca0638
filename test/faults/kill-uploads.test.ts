import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { runDepot } from '../helpers/run-depot.ts'
import { SEED } from '../helpers/seed.ts'
import { startServerProcess, type ServerProcess } from '../helpers/server-process.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { artifactMaker, seededRandom, type ArtifactMaker } from './artifacts.ts'
import { broken, stagedFiles, type Journal } from './journal.ts'

const ROUNDS = Number(process.env['DEPOT_TEST_ROUNDS'] ?? 25)
const WRITERS = 8

describe('a server that is killed while clients upload', () => {
  it(
    `loses nothing that it acknowledged and serves nothing wrong, ${ROUNDS} times (DEPOT_TEST_SEED=${SEED})`,
    { timeout: 600_000 },
    async () => {
      const random = seededRandom(SEED)
      const maker = artifactMaker(SEED, random)
      const journal: Journal = new Map()
      await using dir = await tempDir('kill')
      const dataDir = dir.join('data')

      for (let round = 0; round < ROUNDS; round++) {
        await using server = await startServerProcess({ dataDir })
        expect(await stagedFiles(dataDir)).toEqual([])
        expect(await broken(server, journal)).toEqual([])
        const writers = Array.from({ length: WRITERS }, (_, client) =>
          write(server, maker.next.bind(maker, client), journal),
        )
        await sleep(50 + random() * 1950)
        await server.stop('SIGKILL')
        await Promise.all(writers)
      }

      await using server = await startServerProcess({ dataDir })
      expect(await stagedFiles(dataDir)).toEqual([])
      expect(await broken(server, journal)).toEqual([])
      expect([...journal.values()].filter((state) => state === 'acknowledged').length).toBeGreaterThan(ROUNDS)
      expect(server.logs()).not.toContain('"level":50')
      await server.stop()
      const { status, stdout } = await runDepot(['fsck', '--full', '--store-path', dataDir])
      expect(stdout).not.toMatch(/^error/m)
      expect(status).toBe(0)
    },
  )
})

/** Push one artifact after another until the server is gone. Only what was answered with 2xx counts as acknowledged. */
async function write(
  server: ServerProcess,
  next: () => ReturnType<ArtifactMaker['next']>,
  journal: Journal,
): Promise<void> {
  for (;;) {
    for (const artifact of await next()) {
      journal.set(artifact, 'sent')
      const status = await artifact.send(server.url).catch(() => 'gone')
      if (status === 'gone') return
      if (typeof status === 'string' || status < 200 || status > 299) throw new Error(`${artifact.name}: ${status}`)
      journal.set(artifact, 'acknowledged')
    }
  }
}
