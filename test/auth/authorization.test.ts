import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseAuthorization } from '../../auth/authorization.ts'

const basic = (text: string, encoding: BufferEncoding = 'utf8') =>
  `Basic ${Buffer.from(text, encoding).toString('base64')}`

describe('an Authorization header', () => {
  it.each([
    ['Bearer eyJ.a.b', 'login', 'eyJ.a.b'],
    ['bearer   eyJ.a.b', 'login', 'eyJ.a.b'],
    ['BEARER dpt_a', 'token', 'dpt_a'],
    [basic('__token__:dpt_a'), 'token', 'dpt_a'],
    [basic(':dpt_a'), 'token', 'dpt_a'],
    [basic('depot:eyJ.a.b').replace('Basic', 'bASIC'), 'login', 'eyJ.a.b'],
    [basic('a:dpt_a:b'), 'token', 'dpt_a:b'],
    [basic('J\u00f6rg:dpt_a'), 'token', 'dpt_a'],
    [basic('J\u00f6rg:dpt_a', 'latin1'), 'token', 'dpt_a'],
  ] as const)('%j shows a %s', (header, kind, text) => {
    expect(parseAuthorization(header)).toEqual({ kind, text })
  })

  it.each([
    '',
    'Bearer',
    'Bearer ',
    'Basic',
    'dpt_a',
    'Token dpt_a',
    'Digest username="a"',
    'Bearer dpt_a dpt_b',
    'Bearer dpt_a, Bearer dpt_b',
    'Bearer "dpt_a"',
    'Bearer\tdpt_a',
    ' Bearer dpt_a',
    'Bearer dpt_a ',
    'Bearer DPT_a',
    'Bearer secret',
    'Bearerdpt_a',
    'BasicBearer dpt_a',
    basic('dpt_a'),
    basic('dpt_a:'),
    basic('a: dpt_a'),
    basic('a::dpt_a'),
    `${basic('ab:dpt_a')}=`,
    basic('a:dpt_a').slice(0, -1),
    basic('a:dpt_a').replace('Basic ', 'Basic *'),
    `${basic('ab:dpt_ab')}AAAA=AAAA`,
    `Basic ${Buffer.from('\u00ff\u00ff:dpt_a').toString('base64url')}`,
    `Bearer eyJ${'a'.repeat(4096)}`,
    basic(`a:eyJ${'a'.repeat(4096)}`),
    `Bearer ${'a'.repeat(1 << 20)}`,
  ])('%.60j shows nothing that is looked at', (header) => {
    expect(parseAuthorization(header).kind).toBe('refused')
  })

  it('never has its credential in the reason', () => {
    fc.assert(
      fc.property(fc.constantFrom('', 'Bearer ', 'Basic '), fc.string({ minLength: 8 }), (scheme, text) => {
        const found = parseAuthorization(scheme + text)
        if (found.kind === 'refused') expect(found.reason).not.toContain(text)
      }),
    )
  })
})
