import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { readCompactJwt } from '../../auth/compact-jwt.ts'
import { encoded } from '../helpers/forged-logins.ts'

const jwt = (header: string, claims = '{}', signature = 'c2ln') => `${encoded(header)}.${encoded(claims)}.${signature}`

describe('a JWT in compact form', () => {
  it('is read as it was written', () => {
    const claims = '{ "a" : "x\\":\\"y", "b":1,"c":true , "d":null,"e":"\\u0022:" }'
    expect(readCompactJwt(jwt('{"alg":"EdDSA"}', claims))).toEqual({
      header: { alg: 'EdDSA' },
      claims: { a: 'x":"y', b: 1, c: true, d: null, e: '":' },
    })
  })

  it.each([
    ['nothing', ''],
    ['two parts', 'e30.e30'],
    ['four parts', `${jwt('{}')}.e30`],
    ['an empty part', 'e30..e30'],
    ['an empty signature', jwt('{}', '{}', '')],
    ['padding', jwt('{}', '{}', 'c2k=')],
    ['the other alphabet', jwt('{}', '{}', 'a+/b')],
    ['bits that mean nothing', jwt('{}', '{}', 'c2l')],
    ['a length that is none', jwt('{}', '{}', 'c2lnc')],
    ['a line break', jwt('{}', '{}', 'c2\nln')],
    ['a member twice', jwt('{"a":1,"a":2}')],
    ['a member twice, spelt in two ways', jwt('{"a":1,"\\u0061":2}')],
    ['a member twice, with spaces', jwt('{"a" \n:1,"a"\t:2}')],
    ['a claim twice', jwt('{}', '{"a":1,"b":1,"a":1}')],
    ['an object inside', jwt('{"a":{}}')],
    ['a list inside', jwt('{}', '{"a":[]}')],
    ['a list', jwt('[]')],
    ['null', jwt('{}', 'null')],
    ['a text', jwt('{}', '"a"')],
    ['no JSON', jwt('{}', '{a:1}')],
  ])('is none with %s', (_name, text) => {
    expect(readCompactJwt(text)).toBeUndefined()
  })

  it('takes a member called __proto__ for a member', () => {
    const read = readCompactJwt(jwt('{"__proto__":"x"}'))
    expect(Object.keys(read?.header ?? {})).toEqual(['__proto__'])
  })

  it('is read whatever its members are, as long as each stands once', () => {
    const flat = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)))
    fc.assert(
      fc.property(flat, flat, (header, claims) => {
        const read = readCompactJwt(jwt(JSON.stringify(header), JSON.stringify(claims)))
        expect(JSON.stringify(read)).toBe(JSON.stringify({ header, claims }))
      }),
    )
    fc.assert(fc.property(fc.string(), (text) => void readCompactJwt(text)))
  })
})
