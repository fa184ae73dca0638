import { describe, expect, it } from 'vitest'

import { createRecent } from '../../src/recent.ts'

describe('createRecent', () => {
  it('keeps what was wanted lately and drops the longest unused', () => {
    const recent = createRecent(10)
    recent.put('a', '1234')
    recent.put('b', '1234')
    expect(recent.get('a')).toBe('1234')
    recent.put('c', '123')
    expect([recent.get('a'), recent.get('b'), recent.get('c')]).toEqual(['1234', undefined, '123'])
  })

  it('takes nothing that is larger than all of it, and nothing twice', () => {
    const recent = createRecent(10)
    recent.put('a', '12345678901')
    expect(recent.get('a')).toBeUndefined()
    for (let round = 0; round < 5; round++) recent.put('b', '12345')
    recent.put('c', '12345')
    expect([recent.get('b'), recent.get('c')]).toEqual(['12345', '12345'])
  })

  it('has what was put last under a name, and the room of what it replaced', () => {
    const recent = createRecent(10)
    recent.put('a', '12345678')
    recent.put('a', 'new')
    recent.put('b', '1234567')
    expect([recent.get('a'), recent.get('b')]).toEqual(['new', '1234567'])
    recent.put('a', '12345678901')
    expect([recent.get('a'), recent.get('b')]).toEqual([undefined, '1234567'])
  })
})
