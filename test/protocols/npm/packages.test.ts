import { describe, expect, it } from 'vitest'

import { changedPackage } from '../../../protocols/npm/packages.ts'

const first = changedPackage(undefined, {
  version: '1.0.0',
  now: 'T1',
  tags: ['beta'],
  latestByDefault: true,
  fields: { readme: 'one' },
})

describe("a package's record", () => {
  it('begins with its first version, which is the latest even under another tag', () => {
    expect(first).toEqual({
      tags: { latest: '1.0.0', beta: '1.0.0' },
      created: 'T1',
      modified: 'T1',
      times: { '1.0.0': 'T1' },
      fields: { readme: 'one' },
    })
  })

  it('keeps latest and its words when a later version has another tag', () => {
    const change = { version: '2.0.0', now: 'T2', tags: ['beta'], latestByDefault: true, fields: { readme: 'two' } }
    expect(changedPackage(first, change)).toEqual({
      tags: { latest: '1.0.0', beta: '2.0.0' },
      created: 'T1',
      modified: 'T2',
      times: { '1.0.0': 'T1', '2.0.0': 'T2' },
      fields: { readme: 'one' },
    })
  })

  it('takes the words of a new latest, and the time of a version never moves', () => {
    const again = changedPackage(first, { version: '1.0.0', now: 'T3', tags: ['latest'] })
    expect(again).toMatchObject({ fields: {}, times: { '1.0.0': 'T1' }, modified: 'T3' })
  })

  it('stays without latest when versions are brought in without their tags', () => {
    expect(changedPackage(undefined, { version: '1.0.0', now: 'T1', tags: [] }).tags).toEqual({})
  })
})
