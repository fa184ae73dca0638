import { expect, it } from 'vitest'

import { size, startPace } from '../../../cmd/terminal/pace.ts'

it('tells the rate, how much is done, and how long the rest takes', () => {
  let now = 0
  const pace = startPace(() => now)
  expect(pace.text()).toBe('')
  pace.expect({ items: 4, bytes: 8_000_000 })
  now = 2000
  expect(pace.moved(2_000_000)).toBe(true)
  expect(pace.moved(1)).toBe(false)
  pace.ended()
  expect(pace.text()).toBe('2.0 MB, 1.0 MB/s, 1 of 4, 6 s left')
  pace.expect({ bytes: 2_000_000_000 })
  expect(pace.text()).toContain('34 min left')
})

it('estimates by things where no bytes are known, and says nothing when all is done', () => {
  let now = 0
  const pace = startPace(() => now)
  pace.expect({ items: 2 })
  now = 5000
  pace.ended()
  expect(pace.text()).toBe('1 of 2, 5 s left')
  pace.ended()
  expect(pace.text()).toBe('')
})

it.each([
  [0, '0 bytes'],
  [999, '999 bytes'],
  [1500, '1.5 kB'],
  [4_000_000_000_000_000, '4000.0 TB'],
])('writes %s bytes as %s', (bytes, text) => {
  expect(size(bytes)).toBe(text)
})
