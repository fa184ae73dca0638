import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { isPolluting, parsePackageName, requireNewName, unscoped } from '../../../protocols/npm/package-name.ts'

describe('reading a package name', () => {
  it.each([
    'express',
    '@acme/button',
    'JSONStream',
    'a',
    'lodash.merge',
    '@types/node',
    'is-even~',
    "crazy!'()*",
    '@a/_b',
    'npm',
  ])('takes %s as it is', (name) => {
    expect(parsePackageName(name)).toBe(name)
  })

  it.each([
    '',
    '-',
    '_',
    '.',
    '..',
    '.hidden',
    '_private',
    '-dash',
    '@acme',
    '@acme/',
    '@/button',
    '@acme/.button',
    '@acme/a/b',
    'acme/button',
    '../escape',
    '@acme/..',
    '@../etc',
    'a\\b',
    'a b',
    'a%2fb',
    'a\0',
    'ünïcode',
    'a:b',
    'node_modules',
    'Favicon.ico',
    '__proto__',
    'a'.repeat(215),
  ])('does not take %j', (name) => {
    expect(parsePackageName(name)).toBeUndefined()
  })

  it('never lets a path through, whatever is generated', () => {
    const tricky = fc.stringMatching(/^[@a-zA-Z0-9./\\%_~ -]{0,40}$/)
    fc.assert(
      fc.property(tricky, (text) => {
        const name = parsePackageName(text)
        if (name === undefined) return
        expect(name).toBe(text)
        expect(name.split('/').some((part) => part === '' || part.startsWith('.'))).toBe(false)
        expect(name).not.toMatch(/[\\%]/)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('a new name', () => {
  it.each(['express', '@acme/button', 'is-odd', 'a.b_c~d'.replace('~', '-')])('may be %s', (name) => {
    expect(() => requireNewName(name)).not.toThrow()
  })

  it.each(['JSONStream', 'http', 'excited!', 'constructor', '@acme/tilde~', 'a'.repeat(215)])(
    'may not be %s',
    (name) => {
      expect(() => requireNewName(name)).toThrow(expect.objectContaining({ code: 'INVALID_NAME', status: 400 }))
    },
  )

  it('is refused with the rule that it breaks', () => {
    expect(() => requireNewName('JSONStream')).toThrow(/capital letters/)
  })
})

it('loses its scope for a file name', () => {
  expect([unscoped('@acme/button'), unscoped('button')]).toEqual(['button', 'button'])
})

it('counts as polluting only when it reaches a prototype', () => {
  expect(['__proto__', 'constructor', 'prototype-chain', 'toString'].map(isPolluting)).toEqual([
    true,
    true,
    false,
    false,
  ])
})
