import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { effectiveGrants } from '../../auth/effective-grants.ts'
import { printGrant, parseGrants, permits } from '../../auth/grants.ts'
import { ACTIONS, type Grant } from '../../src/access.ts'
import { LIMITS } from '../../src/limits.ts'
import { cpuMs } from '../helpers/cpu-ms.ts'
import { ECOSYSTEMS } from '../helpers/credentials.ts'

function effective(...layers: readonly string[]): string[] {
  return effectiveGrants(layers.map((layer) => parseGrants(layer, ECOSYSTEMS))).map(printGrant)
}

describe('the grants that all layers permit', () => {
  it.each([
    [['*:*:*'], ['*:*:*']],
    [['*:*:*', 'npm:write:*'], ['npm:write:*']],
    [['*:read:*', 'npm:write:*'], ['npm:read:*']],
    [['*:*:*', 'npm:*:@acme/*,python:*:acme-*', 'npm:write:*'], ['npm:write:@acme/*']],
    [['npm:write:*', 'npm:read:*,npm:read:a'], ['npm:read:*']],
    [['npm:delete:*', 'npm:write:*'], []],
    [['npm:read:*', 'python:read:*'], []],
    [['npm:read:@acme/*', 'npm:read:*-kit'], []],
  ])('of %j are %j', (layers, grants) => {
    expect(effective(...layers)).toEqual(grants)
  })

  it('are none without a layer, and none with an empty one', () => {
    expect(effectiveGrants([])).toEqual([])
    expect(effectiveGrants([[], [{ ecosystem: '*', action: '*', pattern: '*' }]])).toEqual([])
  })

  it('never say more than the layers permit', () => {
    const grant = fc.record({
      ecosystem: fc.constantFrom('npm', 'python', '*'),
      action: fc.constantFrom(...ACTIONS, '*' as const),
      pattern: fc.constantFrom('*', 'a', 'a*', '*b', 'ab', 'a*b', '@a/*', '@a/b'),
    })
    const layers = fc.array(fc.array(grant, { maxLength: 4 }), { minLength: 1, maxLength: 3 })
    const asked = fc.record({
      cache: fc.constant('main'),
      ecosystem: fc.constantFrom('npm', 'python'),
      name: fc.constantFrom('', 'a', 'b', 'ab', 'axb', '@a/b', '@a/c'),
    })
    fc.assert(
      fc.property(layers, fc.constantFrom(...ACTIONS), asked, (limits, action, resource) => {
        if (permits([effectiveGrants(limits)], action, resource)) expect(permits(limits, action, resource)).toBe(true)
      }),
      { numRuns: 5000 },
    )
  })

  it('take no time to speak of when two long lists meet in every pair', () => {
    const long = Array.from({ length: LIMITS.grantsMax }, (_, index): Grant => {
      return { ecosystem: '*', action: 'read', pattern: `${'a'.repeat(index + 1)}*` }
    })
    expect(cpuMs(() => expect(effectiveGrants([long, long, long])).toHaveLength(1))).toBeLessThan(5000)
  })
})
