import process from 'node:process'

import { describe, expect, it } from 'vitest'

import { runDepot } from '../helpers/run-depot.ts'
import { SEED } from '../helpers/seed.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { artifactMaker, seededRandom } from './artifacts.ts'
import { killAgainAndAgain } from './kill-rounds.ts'

const ROUNDS = Number(process.env['DEPOT_TEST_ROUNDS'] ?? 25)

describe('a server that is killed while clients upload', () => {
  it(
    `loses nothing that it acknowledged and serves nothing wrong, ${ROUNDS} times (DEPOT_TEST_SEED=${SEED})`,
    { timeout: 600_000 },
    async () => {
      const random = seededRandom(SEED)
      await using dir = await tempDir('kill')
      const dataDir = dir.join('data')
      await killAgainAndAgain({ rounds: ROUNDS, random, maker: artifactMaker(SEED, random), server: { dataDir } })
      const { status, stdout } = await runDepot(['fsck', '--full', '--store-path', dataDir])
      expect(stdout).not.toMatch(/^error/m)
      expect(status).toBe(0)
    },
  )
})
