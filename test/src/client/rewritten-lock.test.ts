import { describe, expect, it } from 'vitest'

import { edited } from '../../../src/client/rewritten-lock.ts'

describe('edits of a text', () => {
  it('are made in whichever order they come, and leave the rest alone', () => {
    const edits = [
      { at: 8, end: 11, text: 'THREE' },
      { at: 0, end: 3, text: '' },
      { at: 4, end: 4, text: 'new ' },
    ]
    expect(edited('one two three', edits)).toBe(' new two THREEee')
    expect(edited('one', [])).toBe('one')
  })
})
