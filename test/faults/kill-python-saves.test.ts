import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import process from 'node:process'

import { describe, expect, it } from 'vitest'

import { saver, type Saver } from '../helpers/python-save.ts'
import { provenanceOf, pythonUpstream } from '../helpers/python-upstream.ts'
import { SEED } from '../helpers/seed.ts'
import { buildWheel, type BuiltFile } from '../helpers/wheel.ts'
import { seededRandom } from './artifacts.ts'

const ROUNDS = Number(process.env['DEPOT_TEST_ROUNDS'] ?? 34)
const PROJECTS = 150
/** A page and three files for each, and half as much again for what is asked anew: most of them are there in the end. */
const REQUESTS_A_ROUND = Math.floor((2 * 6 * PROJECTS * 0.8) / ROUNDS)

describe('depot python save that is killed', () => {
  it(
    `leaves whole files only, and the next run fetches what is missing, ${ROUNDS} times (DEPOT_TEST_SEED=${SEED})`,
    { timeout: 600_000 },
    async () => {
      const random = seededRandom(SEED)
      const wheels = Array.from({ length: PROJECTS }, (_, at) => {
        const noise = createHash('sha512').update(String(at)).digest('hex')
        return buildWheel({ name: `p${at}`, version: '1.0', value: noise.repeat(at % 7 === 0 ? 2000 : 2) })
      })
      await using upstream = await pythonUpstream(wheels, { delayMs: 5 })
      await using outside = await saver(upstream, 'none')
      const lock = outside.join('requirements.txt')
      await writeFile(lock, wheels.map(pin).join(''))

      let [killed, count] = [0, 0]
      for (let round = 0; round < ROUNDS; round++) {
        upstream.asked()
        const enough = 1 + Math.floor(random() * REQUESTS_A_ROUND)
        const { status } = await outside.save(['-r', lock], { killWhen: () => upstream.askedCount >= enough })
        if (status === null) killed++
        const whole = await wholeFiles(outside, wheels)
        expect(whole).toBeGreaterThanOrEqual(count)
        count = whole
      }
      expect(killed).toBeGreaterThan(ROUNDS / 2)

      upstream.asked()
      const { status, stdout } = await outside.save(['-r', lock])
      expect([status, stdout]).toEqual([0, expect.stringMatching(/, 0 failed\n$/)])
      expect(upstream.asked().filter((at) => at.endsWith('.whl')).length).toBeLessThanOrEqual(PROJECTS - count)
      expect(await wholeFiles(outside, wheels)).toBe(PROJECTS)
      expect(await outside.saved()).toHaveLength(4 * PROJECTS)
      expect((await outside.save(['-r', lock])).stdout).toBe(`saved 0 (0 bytes), ${PROJECTS} there already, 0 failed\n`)
      expect(upstream.asked()).toEqual([])
    },
  )
})

function pin({ filename, sha256 }: BuiltFile): string {
  return `${filename.split('-')[0] ?? ''}==1.0 --hash=sha256:${sha256}\n`
}

/** How many wheels there are; each file that is there is whole, and where an entry is, all is that belongs to it. */
async function wholeFiles(outside: Saver, wheels: readonly BuiltFile[]): Promise<number> {
  const there = new Set(await outside.saved().catch(() => []))
  let count = 0
  for (const wheel of wheels) {
    const at = `${wheel.filename.split('-')[0] ?? ''}/${wheel.filename}`
    const isComplete = there.has(`${at}.json`)
    const parts = [
      ['', wheel.bytes],
      ['.metadata', Buffer.from(wheel.metadata)],
      ['.provenance', Buffer.from(provenanceOf(wheel))],
    ] as const
    for (const [suffix, bytes] of parts) {
      if (isComplete) expect(there).toContain(at + suffix)
      if (there.has(at + suffix)) expect((await outside.read(at + suffix)).equals(bytes), at + suffix).toBe(true)
    }
    if (isComplete) expect(await outside.entry(at)).toMatchObject({ filename: wheel.filename })
    if (there.has(at)) count++
  }
  return count
}
