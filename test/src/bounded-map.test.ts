import { expect, it } from 'vitest'

import { putBounded } from '../../src/bounded-map.ts'

it('lets the entry go that was put longest ago', () => {
  const map = new Map<string, number>()
  for (const [index, key] of ['a', 'b', 'a', 'c'].entries()) putBounded(map, 2, key, index)
  expect([...map]).toEqual([
    ['a', 2],
    ['c', 3],
  ])
})
