import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { DepotError } from '../../../src/errors.ts'
import { parseTarget } from '../../../src/http/path.ts'

describe('parseTarget', () => {
  it('cuts the raw path and decodes each segment once', () => {
    expect(parseTarget('/npm/@s%2fname/-/x.tgz?write=true')).toEqual({
      segments: ['npm', '@s/name', '-', 'x.tgz'],
      path: '/npm/@s%2fname/-/x.tgz',
      query: 'write=true',
    })
    expect(parseTarget('/a/%2565').segments).toEqual(['a', '%65'])
  })

  it('keeps empty segments, because a trailing slash means something', () => {
    expect(parseTarget('/').segments).toEqual([''])
    expect(parseTarget('/simple//x/').segments).toEqual(['simple', '', 'x', ''])
  })

  it.each([
    ['/a/../b', 'a dot segment'],
    ['/a/%2e%2e/b', 'an encoded dot segment'],
    ['/%2E/b', 'an encoded single dot'],
    ['/a%00b', 'NUL'],
    ['/a%0d%0ab', 'CR LF'],
    ['/a%5cb', 'a backslash'],
    ['/%c0%ae', 'overlong UTF-8'],
    ['/%', 'a broken escape'],
    ['http://other/x', 'an absolute target'],
    ['*', 'an asterisk'],
    ['', 'nothing'],
  ])('refuses %j: %s', (target) => {
    expect(() => parseTarget(target)).toThrow(DepotError)
  })

  it('refuses a URL that is too long with 414', () => {
    expect(() => parseTarget(`/${'a'.repeat(9000)}`)).toThrow(expect.objectContaining({ status: 414 }))
  })

  it('never lets a dot segment, control character or backslash through, whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        let segments: readonly string[]
        try {
          segments = parseTarget(`/${text}`).segments
        } catch (error) {
          expect(error).toBeInstanceOf(DepotError)
          return
        }
        // eslint-disable-next-line no-control-regex -- what must not appear
        for (const segment of segments) expect(segment).not.toMatch(/^\.\.?$|[\u0000-\u001f\u007f\\]/)
      }),
    )
  })
})
