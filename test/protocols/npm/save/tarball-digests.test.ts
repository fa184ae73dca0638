import { createHash } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import { promisedDigests, samePromise } from '../../../../protocols/npm/save/tarball-digests.ts'

const digest = (algorithm: string, of: string): string => createHash(algorithm).update(of).digest('hex')
const sri = (algorithm: string, of: string): string =>
  `${algorithm}-${createHash(algorithm).update(of).digest('base64')}`

describe('what a tarball has to have', () => {
  it('is the strongest that the registry says, the shasum where it says nothing else', () => {
    const dist = { integrity: sri('sha512', 'a'), shasum: digest('sha1', 'a') }
    expect(promisedDigests('x', dist, [])).toEqual({ sha512: digest('sha512', 'a') })
    expect(promisedDigests('x', { shasum: digest('sha1', 'a').toUpperCase() }, [])).toEqual({
      sha1: digest('sha1', 'a'),
    })
    expect(promisedDigests('x', { integrity: 'sha512-short', shasum: 'no' }, [])).toEqual({})
  })

  it('is also what a lock file says, as far as the registry says nothing to it', () => {
    const dist = { integrity: sri('sha512', 'a') }
    expect(promisedDigests('x', dist, [sri('sha512', 'a')])).toEqual({ sha512: digest('sha512', 'a') })
    expect(promisedDigests('x', dist, [sri('sha1', 'a')])).toEqual({
      sha512: digest('sha512', 'a'),
      sha1: digest('sha1', 'a'),
    })
    expect(promisedDigests('x', {}, [`${sri('sha1', 'a')} ${sri('sha256', 'a')}`])).toEqual({
      sha1: digest('sha1', 'a'),
      sha256: digest('sha256', 'a'),
    })
  })

  it('may be one of several that the registry says; the lock file chooses', () => {
    const dist = { integrity: `${sri('sha512', 'a')} ${sri('sha512', 'b')}` }
    expect(promisedDigests('x', dist, [sri('sha512', 'b')])).toEqual({ sha512: digest('sha512', 'b') })
  })

  it('cannot be two things', () => {
    const dist = { integrity: sri('sha512', 'a'), shasum: digest('sha1', 'a') }
    expect(() => promisedDigests('x@1.0.0', dist, [sri('sha512', 'b')])).toThrow(/disagree on the sha512 of x@1\.0\.0/)
    expect(() => promisedDigests('x@1.0.0', dist, [sri('sha1', 'b')])).toThrow(/disagree on the sha1/)
    expect(() => promisedDigests('x', {}, [sri('sha512', 'a'), sri('sha512', 'b')])).toThrow(/disagree/)
  })
})

describe('two promises', () => {
  it('are the same when they agree on the strongest digest that both have', () => {
    expect(samePromise({ integrity: sri('sha512', 'a') }, { integrity: sri('sha512', 'a'), shasum: 'x' })).toBe(true)
    expect(samePromise({ integrity: sri('sha512', 'a') }, { integrity: sri('sha512', 'b') })).toBe(false)
    expect(samePromise({ shasum: digest('sha1', 'a') }, { integrity: sri('sha512', 'b') })).toBe(true)
    expect(samePromise({ shasum: digest('sha1', 'a') }, { integrity: sri('sha1', 'b') })).toBe(false)
  })
})
