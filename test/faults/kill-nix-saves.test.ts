import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import { describe, expect, it } from 'vitest'

import { parseNarinfo } from '../../protocols/nix/narinfo.ts'
import { hashOf } from '../../protocols/nix/store-path.ts'
import { LIMITS } from '../../src/limits.ts'
import { sha256Hex } from '../helpers/nar.ts'
import { startNixCache, type CachedPath, type TestCache } from '../helpers/nix-cache.ts'
import { PUBLIC } from '../helpers/nix-upload.ts'
import { killedWhen } from '../helpers/killed-depot.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { SEED } from '../helpers/seed.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { seededRandom } from './artifacts.ts'

const ROUNDS = Number(process.env['DEPOT_TEST_ROUNDS'] ?? 34)
/** More than are fetched until the last kill, however fast. */
const PATHS = ROUNDS * 40
/** What is answered between the moment at which a round has come far enough and the kill. */
const MORE = 8

describe('depot nix save that is killed', () => {
  it(
    `leaves whole closures only, and the next run fetches what is missing, ${ROUNDS} times (DEPOT_TEST_SEED=${SEED})`,
    { timeout: 600_000 },
    async () => {
      const random = seededRandom(SEED)
      await using cache = await startNixCache()
      await using dir = await tempDir('kill-nix-saves')
      const top = await closureIn(cache)
      const saved = dir.join('saved')
      const args = ['nix', 'save', top.storePath, '--from', cache.url, '--trusted-key', PUBLIC, '--dir', saved]

      let killed = 0
      let count = 0
      for (let round = 0; round < ROUNDS; round++) {
        // All narinfos are asked for before the first archive, and so many archives are under way at once.
        const enough = LIMITS.downloadAtOnce + Math.floor(random() * 15)
        cache.archivesLeft = enough + MORE
        cache.archivesAsked()
        let archives = 0
        const isSoFar = (): boolean => (archives += cache.archivesAsked().length) >= enough
        if (await killedWhen(isSoFar, args, random() * 20)) killed++
        const whole = await wholePaths(saved)
        expect(whole).toBeGreaterThanOrEqual(count)
        count = whole
      }
      expect(killed).toBe(ROUNDS)
      expect(count).toBeGreaterThan(0)

      cache.archivesLeft = Infinity
      cache.archivesAsked()
      const { status, stdout } = await runDepot(args)
      expect([status, stdout]).toEqual([0, expect.stringMatching(/, 0 failed\n$/)])
      expect(cache.archivesAsked().length).toBeLessThanOrEqual(PATHS - count)
      expect(await wholePaths(saved)).toBe(PATHS)
      expect((await runDepot([...args, '--verify'])).stdout).toBe(
        `saved 0 (0 bytes), ${PATHS} there already, 0 failed\n`,
      )
      expect(cache.archivesAsked()).toEqual([])
      expect((await readdir(dir.path)).filter((name) => !name.startsWith('.'))).toEqual(['saved'])
    },
  )
})

/** Small paths and some larger ones, each of which refers to some before it. */
async function closureIn(cache: TestCache): Promise<CachedPath> {
  const paths: CachedPath[] = []
  for (let index = 0; index < PATHS; index++) {
    const content = randomBytes(index % 9 === 0 ? 300_000 : 500)
    const references = [index - 1, index >> 1].flatMap((at) => paths[at] ?? [])
    paths.push(await cache.add(`p${index}`, { content, references }))
  }
  const top = paths.at(-1)
  if (top === undefined) throw new Error('there are some')
  return top
}

/** How many narinfos there are; of each, the archive is there and right, and so is everything it refers to. */
async function wholePaths(saved: string): Promise<number> {
  const names = (await readdir(saved).catch(() => [])).filter((name) => name.endsWith('.narinfo'))
  for (const name of names) {
    const { url, fileHash, references } = parseNarinfo(await readFile(path.join(saved, name), 'utf8'))
    expect(sha256Hex(await readFile(path.join(saved, url)))).toBe(fileHash)
    for (const reference of references) expect(names).toContain(`${hashOf(reference)}.narinfo`)
  }
  return names.length
}
