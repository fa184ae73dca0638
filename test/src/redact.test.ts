import { describe, expect, it } from 'vitest'

import { redacted, redactedPath } from '../../src/redact.ts'

describe('redacted', () => {
  it('leaves nothing of a stored token or a login', () => {
    expect(redacted('/-/user/token/dpt_abc_DEF_012 and more')).toBe('/-/user/token/<secret> and more')
    expect(redacted('Bearer eyJhbGciOi.eyJzdWIi.sig-_x')).toBe('Bearer <secret>')
    expect(redacted('/a/dpt_x%5Fy/b')).toBe('/a/<secret>/b')
  })

  it('leaves all else alone', () => {
    expect(redacted('/npm/express')).toBe('/npm/express')
  })
})

describe('redactedPath', () => {
  it.each([
    ['/-/user/token/dpt_abc', '/-/user/token/<secret>'],
    ['/-/user/token/%64pt_abc', '/-/user/token/<secret>'],
    ['/-/user/token/dpt%5fabc', '/-/user/token/<secret>'],
    ['/-/user/token/dpt%5Fabc%2Fx', '/-/user/token/<secret>'],
    ['/%65%79%4aabc.d', '/<secret>'],
    ['/dpt%', '/dpt%'],
  ])('finds a credential in %s', (path, safe) => {
    expect(redactedPath(path)).toBe(safe)
  })

  it('shows every other path as it was sent', () => {
    for (const path of ['/npm/@s%2fname', '/%2e%2e/x', '/a%zz', '/']) expect(redactedPath(path)).toBe(path)
  })
})
