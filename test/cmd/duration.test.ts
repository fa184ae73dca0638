import { describe, expect, it } from 'vitest'

import { UsageError } from '../../cmd/cli.ts'
import { parseDuration } from '../../cmd/duration.ts'

const now = Date.UTC(2026, 0, 30, 12)

describe('parseDuration', () => {
  it.each([
    ['30d', 2_592_000],
    ['12h', 43_200],
    ['90m', 5400],
    ['2026-01-31', 43_200],
  ])('%s is %i seconds', (text, seconds) => {
    expect(parseDuration('--expires', text, now)).toBe(seconds)
  })

  it.each([
    '',
    '30',
    'd',
    '1.5d',
    '-1d',
    '0d',
    '30s',
    '2026-01-30',
    '2026-02-31',
    '2026-13-01',
    '31.1.2026',
    '9999999d',
  ])('refuses %j', (text) => {
    expect(() => parseDuration('--expires', text, now)).toThrow(UsageError)
  })
})
