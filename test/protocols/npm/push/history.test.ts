import { describe, expect, it } from 'vitest'

import { historyOf } from '../../../../protocols/npm/push/history.ts'
import type { Here } from '../../../../protocols/npm/push/here.ts'
import { parseVerdaccioPackage } from '../../../../protocols/npm/verdaccio.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const NOTHING: Here = { versions: new Map(), tags: new Map(), time: new Map() }
const HASHES = { sha1: '', sha256: '', sha512: '', deprecated: false }

function history(
  document: object,
  here: Here = NOTHING,
  done: readonly string[] = ['1.0.0'],
): ReturnType<typeof historyOf> {
  const versions = Object.fromEntries(
    ['1.0.0', '1.1.0'].map((version) => [version, { name: 'demo', version, dist: {} }]),
  )
  const stored = parseVerdaccioPackage('demo', JSON.stringify({ name: 'demo', versions, ...document }))
  const fileMs = Date.parse('2022-02-02T02:02:02Z')
  return historyOf({
    elsewhere: stored,
    done: done.map((version) => ({ version, deprecated: undefined, fileMs })),
    here,
    now: NOW,
  })
}

describe('the history that a depot is told of a package', () => {
  it('dates a version by its tarball when nobody knows better, and none ahead of now', () => {
    const byFile = { '1.0.0': '2022-02-02T02:02:02.000Z' }
    expect(history({}).history?.time).toEqual(byFile)
    expect(
      history({ time: { '1.0.0': '2027-01-01T00:00:00Z', created: '2028-01-01T00:00:00Z' } }).history?.time,
    ).toEqual(byFile)
  })

  it('keeps the earlier of two times', () => {
    const versions = new Map([['1.0.0', HASHES]])
    const time = { time: { '1.0.0': '2020-01-01T00:00:00Z' } }
    const at = (text: string): Here => ({ versions, tags: new Map(), time: new Map([['1.0.0', text]]) })
    expect(history(time, at('2021-01-01T00:00:00Z')).history?.time).toEqual(time.time)
    expect(history(time, at('2019-01-01T00:00:00Z')).history).toBeUndefined()
  })

  it('tags only what is there, and moves no tag from what the depot alone has', () => {
    const tags = { 'dist-tags': { latest: '1.1.0', old: '1.0.0' }, readme: '# Demo' }
    expect(history(tags).history?.tags).toEqual({ old: '1.0.0' })
    const moved = (version: string): Here => ({ ...NOTHING, tags: new Map([['old', version]]) })
    expect(history(tags, moved('1.1.0')).history?.tags).toEqual({ old: '1.0.0' })
    expect(history(tags, moved('9.0.0'))).toMatchObject({
      history: { tags: {} },
      kept: [{ tag: 'old', version: '9.0.0' }],
    })
  })

  it('leaves the readme alone when the depot has a later release', () => {
    const document = { 'dist-tags': { latest: '1.0.0' }, readme: '# Demo' }
    expect(history(document).history?.fields).toEqual({ readme: '# Demo' })
    const later = { ...NOTHING, tags: new Map([['latest', '9.0.0']]) }
    expect(history(document, later).history?.fields).toEqual({})
  })
})
