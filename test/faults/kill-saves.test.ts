import { createHash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import { describe, expect, it } from 'vitest'

import { packageLock } from '../helpers/npm-lock.ts'
import { startNpmUpstream } from '../helpers/npm-upstream.ts'
import { killedWhen } from '../helpers/killed-depot.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { SEED } from '../helpers/seed.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { seededRandom } from './artifacts.ts'

const ROUNDS = Number(process.env['DEPOT_TEST_ROUNDS'] ?? 34)
const PACKAGES = ROUNDS * 20
/** Two for each package: so many at most that each round brings some, and not all of them are there in the end. */
const REQUESTS_A_ROUND = 64
/** What is answered between the moment at which a round has come far enough and the kill, however fast. */
const MORE = 8

describe('depot npm save that is killed', () => {
  it(
    `leaves whole files only, and the next run fetches what is missing, ${ROUNDS} times (DEPOT_TEST_SEED=${SEED})`,
    { timeout: 600_000 },
    async () => {
      const random = seededRandom(SEED)
      await using upstream = await startNpmUpstream()
      await using dir = await tempDir('kill-saves')
      const packages = await Promise.all(
        Array.from({ length: PACKAGES }, async (_, index) => {
          const name = index % 3 === 0 ? `@s/p${index}` : `p${index}`
          const packageJson = { name, version: '1.0.0', noise: noise(random, index % 7 === 0 ? 200_000 : 500) }
          return { packageJson, tarball: await upstream.add(packageJson) }
        }),
      )
      await writeFile(dir.join('package-lock.json'), packageLock(packages))
      const saved = dir.join('saved')
      const args = ['npm', 'save', dir.join('package-lock.json'), '--registry', upstream.url, '--dir', saved]
      const known = new Set(packages.map(({ tarball }) => createHash('sha256').update(tarball).digest('hex')))

      let killed = 0
      let count = 0
      for (let round = 0; round < ROUNDS; round++) {
        const enough = Math.floor(random() * REQUESTS_A_ROUND)
        upstream.asked.length = 0
        upstream.left = enough + MORE
        if (await killedWhen(() => upstream.asked.length > enough, args, random() * 10)) killed++
        const whole = await wholeFiles(saved, known)
        expect(whole).toBeGreaterThanOrEqual(count)
        count = whole
      }
      expect(killed).toBe(ROUNDS)
      expect(count).toBeGreaterThan(0)

      upstream.left = Infinity
      upstream.asked.length = 0
      const { status, stdout } = await runDepot(args)
      expect([status, stdout]).toEqual([0, expect.stringMatching(/, 0 failed\n$/)])
      expect(upstream.asked.filter((line) => line.endsWith('.tgz')).length).toBeLessThanOrEqual(PACKAGES - count)
      expect(await wholeFiles(saved, known)).toBe(PACKAGES)
      upstream.asked.length = 0
      expect((await runDepot(args)).stdout).toBe(`saved 0 (0 bytes), ${PACKAGES} there already, 0 failed\n`)
      expect(upstream.asked).toEqual([])
    },
  )
})

/** How many tarballs there are; each is one that was published, and each metadata.json names tarballs that are there. */
async function wholeFiles(saved: string, known: ReadonlySet<string>): Promise<number> {
  const entries = await readdir(saved, { recursive: true, withFileTypes: true }).catch(() => [])
  let tarballs = 0
  for (const entry of entries) {
    if (!entry.isFile() || entry.name.startsWith('.') || entry.parentPath.endsWith('.partial')) continue
    const file = path.join(entry.parentPath, entry.name)
    const bytes = await readFile(file)
    if (entry.name.endsWith('.tgz')) {
      expect(known).toContain(createHash('sha256').update(bytes).digest('hex'))
      tarballs++
    } else if (entry.name === 'metadata.json') {
      const { name } = JSON.parse(bytes.toString('utf8')) as { name: string }
      await readFile(path.join(entry.parentPath, `${name}-1.0.0.tgz`))
    }
  }
  return tarballs
}

/** Text that does not compress much. */
function noise(random: () => number, length: number): string {
  return Array.from({ length: Math.ceil(length / 10) }, () => random().toString(36).slice(2, 12)).join('')
}
