import { describe, expect, it } from 'vitest'

import { codeOf, parseCode, parseLoginSecret, printLoginSecret, shownCode } from '../../auth/login-code.ts'
import { redacted } from '../../src/redact.ts'

describe('the code of a login', () => {
  it('is shown in two halves, and read in any case, with its hyphen or without', () => {
    let next = 0
    const code = codeOf(() => next++)
    expect(shownCode(code)).toBe('BCDF-GHJK')
    for (const typed of ['BCDF-GHJK', 'bcdf-ghjk', 'BCDFGHJK', 'bcdfghjk']) expect(parseCode(typed)).toBe(code)
  })

  it.each([
    '',
    'BCDF',
    'BCDF-GHJ',
    'BCDF-GHJKL',
    'ABCD-EFGH',
    'BCDF--GHJK',
    'BCDF GHJK',
    'BCDFGHJ-K',
    'ßCDF-GHJ',
    'ßCDF-GHJK',
    'ſCDF-GHJK',
    '\u212aCDF-GHJK',
  ])('is not %j', (text) => {
    expect(parseCode(text)).toBeUndefined()
  })

  it('comes with a secret that logs hide', () => {
    const login = { code: 'BCDFGHJK', secret: 'a1'.repeat(21) + 'Z' }
    const text = printLoginSecret(login)
    expect(parseLoginSecret(text)).toEqual(login)
    expect(redacted(`/npm/-/v1/done/${text}`)).toBe('/npm/-/v1/done/<secret>')
    for (const wrong of ['', text.slice(1), `${text}a`, text.replace('login', 'token')])
      expect(parseLoginSecret(wrong)).toBeUndefined()
  })
})
