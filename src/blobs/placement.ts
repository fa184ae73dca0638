/** How a store is chosen for a new blob. */
export const PLACEMENTS = ['round-robin', 'in-order', 'split', 'least-used'] as const

export type PlacementStrategy = (typeof PLACEMENTS)[number]

/** What a strategy must know of a store. */
export interface PlacementTarget {
  readonly name: string
  /** Its part of all new blobs, in per cent; 0 where none is given. */
  readonly splitPercent: number
  /** Bytes that lie there or are on their way, as far as this process knows. */
  usedBytes(): number
}

/** Remembers what it chose before. In one process: each has its own, and together they come out the same. */
export interface Placement<T extends PlacementTarget> {
  /** Those that can take a new blob, best first; `usable` is in the order of the configuration. */
  order(usable: readonly T[]): readonly T[]
}

export function createPlacement<T extends PlacementTarget>(strategy: PlacementStrategy): Placement<T> {
  switch (strategy) {
    case 'round-robin':
      return smoothly(() => 1)
    case 'split':
      return smoothly(({ splitPercent }) => splitPercent)
    case 'in-order':
      return { order: (usable) => usable }
    case 'least-used':
      return { order: (usable) => usable.toSorted((a, b) => a.usedBytes() - b.usedBytes()) }
  }
}

/**
 * Each gets turns by its weight, spread as evenly as can be (the smooth weighted round-robin of nginx): after as many turns as the weights
 * sum up to, each has had exactly its own. One that is not usable loses its turns to the others, and does not make up for them later.
 */
function smoothly<T extends PlacementTarget>(weightOf: (target: T) => number): Placement<T> {
  const credits = new Map<string, number>()
  const creditOf = ({ name }: T): number => credits.get(name) ?? 0
  return {
    order(usable) {
      const total = usable.reduce((sum, target) => sum + weightOf(target), 0)
      for (const target of usable) credits.set(target.name, creditOf(target) + weightOf(target))
      const order = usable.toSorted((a, b) => creditOf(b) - creditOf(a))
      const [first] = order
      if (first !== undefined) credits.set(first.name, creditOf(first) - total)
      return order
    },
  }
}
