import { describe, expect, it } from 'vitest'

import { changedPackage, withDeprecations, withoutVersions, withStar } from '../../../protocols/npm/package-record.ts'

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

describe('what is deleted of it', () => {
  const three = {
    tags: { latest: '2.0.0', old: '1.0.0', next: '3.0.0-rc.1' },
    created: 'T0',
    modified: 'T1',
    times: { '1.0.0': 'T1', '1.10.0': 'T1', '2.0.0': 'T1', '3.0.0-rc.1': 'T1' },
    fields: { readme: 'of 2.0.0' },
    deprecated: { '1.0.0': 'old', '2.0.0': 'bad' },
    stars: ['alice'],
  }

  it('takes its tags along, and latest moves to the highest release', () => {
    expect(withoutVersions(three, new Set(['2.0.0', '1.0.0']), 'T2')).toEqual({
      tags: { latest: '1.10.0', next: '3.0.0-rc.1' },
      created: 'T0',
      modified: 'T2',
      times: { '1.10.0': 'T1', '3.0.0-rc.1': 'T1' },
      fields: {},
      deprecated: {},
      stars: ['alice'],
    })
  })

  it('leaves latest and its words alone when another version goes', () => {
    expect(withoutVersions(three, new Set(['1.0.0']), 'T2')).toMatchObject({
      tags: { latest: '2.0.0', next: '3.0.0-rc.1' },
      fields: { readme: 'of 2.0.0' },
      deprecated: { '2.0.0': 'bad' },
    })
  })

  it('moves latest to a version before its release when nothing else is left, and sets none that nobody set', () => {
    const gone = new Set(['1.0.0', '1.10.0', '2.0.0'])
    expect(withoutVersions(three, gone, 'T2').tags).toEqual({ latest: '3.0.0-rc.1', next: '3.0.0-rc.1' })
    expect(withoutVersions({ ...three, tags: { old: '1.0.0' } }, gone, 'T2').tags).toEqual({})
  })

  it('leaves nothing but its beginning when every version goes', () => {
    const all = new Set(Object.keys(three.times))
    expect(withoutVersions(three, all, 'T2')).toEqual({
      tags: {},
      created: 'T0',
      modified: 'T2',
      times: {},
      fields: {},
    })
  })

  it('is deprecated where a version is there, and the same record when nothing changes', () => {
    const texts = new Map([
      ['1.0.0', ''],
      ['2.0.0', 'bad'],
      ['9.9.9', 'not there'],
    ])
    expect(withDeprecations(three, texts).deprecated).toEqual({ '1.0.0': '', '2.0.0': 'bad' })
    expect(withDeprecations(three, new Map([['2.0.0', 'bad']]))).toBe(three)
  })

  it('is starred once by each, and can lose the star', () => {
    expect(withStar(three, 'alice', true)).toBe(three)
    expect(withStar(three, 'bob', true).stars).toEqual(['alice', 'bob'])
    expect(withStar(three, 'alice', false).stars).toEqual([])
  })
})
