import { describe, expect, it } from 'vitest'

import type { Edit } from '../../../cmd/config-files/edits.ts'
import { addUse } from '../../../cmd/use/used-tokens.ts'

const registry: Edit = { kind: 'npmrc', file: '/npmrc', section: '', key: 'registry', value: 'new' }

describe('addUse', () => {
  it('gives back the tokens that stand nowhere any more', () => {
    const first = addUse({}, { edits: [], tokens: [{ id: 'a', files: ['/netrc', '/npmrc'] }] })
    expect(first.replaced).toEqual([])
    const second = addUse(first.profile, { edits: [], tokens: [{ id: 'b', files: ['/npmrc'] }] })
    expect(second.replaced).toEqual([])
    expect(second.profile.tokens).toEqual([
      { id: 'a', files: ['/netrc'] },
      { id: 'b', files: ['/npmrc'] },
    ])
    const third = addUse(second.profile, { edits: [], tokens: [{ id: 'c', files: ['/netrc', '/npmrc'] }] })
    expect(third.replaced.map(({ id }) => id)).toEqual(['a', 'b'])
    expect(third.profile.tokens?.map(({ id }) => id)).toEqual(['c'])
  })

  it('remembers what stood in a place before the first time', () => {
    const { profile } = addUse({}, { edits: [{ ...registry, previous: 'theirs' }], tokens: [] })
    const again = addUse(profile, { edits: [{ ...registry, value: 'newer', previous: 'new' }], tokens: [] })
    expect(again.profile.edits).toEqual([{ ...registry, value: 'newer', previous: 'theirs' }])
  })
})
