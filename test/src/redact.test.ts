import { describe, expect, it } from 'vitest'

import { redacted } from '../../src/redact.ts'

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
