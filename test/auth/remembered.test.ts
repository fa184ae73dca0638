import { describe, expect, it } from 'vitest'

import { createRemembered, type Verified } from '../../auth/remembered.ts'
import { ANONYMOUS } from '../../src/access.ts'

function world() {
  const at = { now: 1000, generation: 1 }
  const remembered = createRemembered({ most: 3, generation: () => at.generation, now: () => at.now })
  const keep = (header: string, until = 2000) => remembered.keep(header, verified(header, until), remembered.moment())
  const known = (...headers: string[]) => headers.filter((header) => remembered.recall(header) !== undefined)
  return { at, remembered, keep, known }
}

function verified(name: string, until: number): Verified {
  return { principal: { ...ANONYMOUS, name }, kind: 'token', until }
}

describe('a verified credential', () => {
  it('is known by its whole header, until its time is over', () => {
    const { at, remembered, keep, known } = world()
    keep('Bearer a')
    expect(remembered.recall('Bearer a')).toMatchObject({ principal: { name: 'Bearer a' }, kind: 'token' })
    expect(known('Bearer b', 'bearer a', 'Bearer a ')).toEqual([])
    at.now = 1999
    expect(known('Bearer a')).toEqual(['Bearer a'])
    at.now = 2000
    expect(known('Bearer a')).toEqual([])
    at.now = 1000
    expect(known('Bearer a')).toEqual([])
  })

  it('is not trusted after the keys changed, nor when they changed while it was looked at', () => {
    const { at, remembered, keep, known } = world()
    keep('a')
    const before = remembered.moment()
    at.generation = 2
    remembered.keep('b', verified('b', 2000), before)
    keep('c')
    expect(known('a', 'b', 'c')).toEqual(['c'])
  })

  it('is forgotten with all others, and not kept when it was looked at before that', () => {
    const { remembered, keep, known } = world()
    keep('a')
    const before = remembered.moment()
    remembered.forget()
    remembered.keep('b', verified('b', 2000), before)
    keep('c')
    expect(known('a', 'b', 'c')).toEqual(['c'])
  })

  it('makes room for newer ones', () => {
    const { keep, known } = world()
    for (const header of ['a', 'b', 'c', 'd', 'e']) keep(header)
    expect(known('a', 'b', 'c', 'd', 'e')).toEqual(['c', 'd', 'e'])
  })
})
