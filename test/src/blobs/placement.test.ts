import { describe, expect, it } from 'vitest'

import { createPlacement, type PlacementStrategy, type PlacementTarget } from '../../../src/blobs/placement.ts'

function target(name: string, { splitPercent = 0, used = 0 } = {}): PlacementTarget {
  return { name, splitPercent, usedBytes: () => used }
}

/** The names of the stores that so many blobs in turn are placed in. */
function places(strategy: PlacementStrategy, count: number, usable: readonly PlacementTarget[]): string[] {
  const placement = createPlacement(strategy)
  return Array.from({ length: count }, () => placement.order(usable)[0]?.name ?? 'none')
}

function counts(names: readonly string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]))
}

describe('placement', () => {
  const [a, b, c] = [target('a'), target('b'), target('c')]

  it('round-robin gives each its turn', () => {
    expect(places('round-robin', 6, [a, b, c])).toEqual(['a', 'b', 'c', 'a', 'b', 'c'])
  })

  it('in-order takes the first that is usable', () => {
    expect(places('in-order', 3, [a, b, c])).toEqual(['a', 'a', 'a'])
    expect(places('in-order', 1, [b, c])).toEqual(['b'])
  })

  it('split keeps to its percentages exactly over a hundred blobs, and spreads each evenly', () => {
    const parts = [
      target('a', { splitPercent: 60 }),
      target('b', { splitPercent: 33 }),
      target('c', { splitPercent: 7 }),
    ]
    const placed = places('split', 200, parts)
    expect(counts(placed.slice(0, 100))).toEqual({ a: 60, b: 33, c: 7 })
    expect(counts(placed)).toEqual({ a: 120, b: 66, c: 14 })
    for (let at = 0; at + 10 <= 200; at++) expect(counts(placed.slice(at, at + 10))['a']).toBeGreaterThanOrEqual(5)
  })

  it('least-used takes the one with the fewest bytes, the first of equals', () => {
    expect(
      places('least-used', 1, [target('a', { used: 5 }), target('b', { used: 3 }), target('c', { used: 3 })]),
    ).toEqual(['b'])
  })

  it('names all that are usable, best first, so that the next is tried when one refuses', () => {
    for (const strategy of ['round-robin', 'in-order', 'split', 'least-used'] as const) {
      const order = createPlacement(strategy).order([a, b, c])
      expect(order.map(({ name }) => name).toSorted()).toEqual(['a', 'b', 'c'])
      expect(createPlacement(strategy).order([])).toEqual([])
    }
  })

  it.each(['round-robin', 'split'] as const)(
    '%s gives the turns of one that is away to the others, in their proportion',
    (strategy) => {
      const parts = [
        target('a', { splitPercent: 50 }),
        target('b', { splitPercent: 25 }),
        target('c', { splitPercent: 25 }),
      ]
      const placement = createPlacement(strategy)
      const take = (count: number, usable: readonly PlacementTarget[]): string[] =>
        Array.from({ length: count }, () => placement.order(usable)[0]?.name ?? 'none')
      take(7, parts)
      const without = counts(take(40, parts.slice(1)))
      expect(without['a']).toBeUndefined()
      expect(Math.abs((without['b'] ?? 0) - 20)).toBeLessThanOrEqual(1)
      const after = counts(take(40, parts))
      expect(Math.abs((after['a'] ?? 0) - (strategy === 'split' ? 20 : 13))).toBeLessThanOrEqual(1)
    },
  )
})
