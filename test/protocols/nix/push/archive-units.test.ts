import fc from 'fast-check'
import { expect, it } from 'vitest'

import type { PathFacts } from '../../../../protocols/nix/closure/path-source.ts'
import { archiveUnits } from '../../../../protocols/nix/push/archive-units.ts'
import { LIMITS } from '../../../../src/limits.ts'

const EACH_MAX = LIMITS.pushedTogetherEachBytesMax

function facts(index: number, narSizeBytes: number, narHash = `hash ${index}`): PathFacts {
  return { baseName: `path ${index}`, narHash, narSizeBytes, references: [], signatures: [] }
}

it('small archives go together, large ones alone, in their order as far as it goes, and each once', () => {
  const sizes = fc.array(fc.record({ size: fc.integer({ min: 1, max: 2 * EACH_MAX }), hash: fc.integer({ max: 30 }) }))
  fc.assert(
    fc.property(sizes, fc.array(fc.integer({ max: 30 })), (paths, heldHashes) => {
      const held = new Set(heldHashes.map(String))
      // Those of one hash are the same archive, so that they have one size.
      const sizeOf = new Map(paths.map(({ hash, size }) => [hash, size]))
      const all = paths.map(({ hash }, index) => facts(index, sizeOf.get(hash) ?? 0, String(hash)))
      const units = archiveUnits(all, held)
      const sent = units.flatMap((unit) => unit.paths.map(({ narHash }) => narHash))
      expect(sent.toSorted()).toEqual(
        [...new Set(all.map(({ narHash }) => narHash))].filter((hash) => !held.has(hash)).sort(),
      )
      for (const { paths: some, together } of units) {
        expect(some.every(({ narSizeBytes }) => narSizeBytes <= EACH_MAX)).toBe(together)
        if (!together) expect(some).toHaveLength(1)
        expect(some.length).toBeLessThanOrEqual(LIMITS.pushedTogetherMax)
        if (together)
          expect(some.reduce((sum, { narSizeBytes }) => sum + narSizeBytes, 0)).toBeLessThanOrEqual(
            LIMITS.pushedTogetherBytesMax,
          )
      }
    }),
  )
})

it('no request has more than it may, of bytes and of archives', () => {
  const many = Array.from({ length: 2 * LIMITS.pushedTogetherMax + 1 }, (_, index) => facts(index, 100))
  expect(archiveUnits(many, new Set()).map(({ paths }) => paths.length)).toEqual([
    LIMITS.pushedTogetherMax,
    LIMITS.pushedTogetherMax,
    1,
  ])
  expect(archiveUnits([facts(0, EACH_MAX), facts(1, EACH_MAX + 1)], new Set())).toEqual([
    { paths: [facts(1, EACH_MAX + 1)], together: false },
    { paths: [facts(0, EACH_MAX)], together: true },
  ])
  expect(LIMITS.pushedTogetherBytesMax + 8 * LIMITS.pushedTogetherMax).toBeLessThan(LIMITS.manyNarsBytesMax)
  expect(LIMITS.pushedTogetherMax).toBeLessThanOrEqual(LIMITS.manyNarsMax)
})
