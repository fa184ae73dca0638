import { describe, expect, it } from 'vitest'

import { createAdvisoryReader } from '../../../protocols/npm/advisories.ts'
import { cvssScore, severityOf } from '../../../protocols/npm/cvss.ts'
import { JsonValues, type JsonValue } from '../../../protocols/npm/json-values.ts'
import { advisoriesOf, osvSchema } from '../../../protocols/npm/osv.ts'
import { LIMITS } from '../../../src/limits.ts'

function take(text: string, pieceBytes = 7): readonly JsonValue[] {
  const bytes = Buffer.from(text)
  const values = new JsonValues()
  const found: JsonValue[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes) found.push(...values.push(bytes.subarray(at, at + pieceBytes)))
  values.end()
  return found
}

describe('a stream of JSON', () => {
  const objects = [{ a: '}{][",\\' }, { b: [{ c: '\u{1f980}\n"' }], d: {} }, {}]
  it.each([
    ['lines', objects.map((value) => JSON.stringify(value)).join('\n')],
    ['lines with an end', `${objects.map((value) => JSON.stringify(value)).join('\r\n')}\n`],
    ['an array', JSON.stringify(objects)],
    ['an array over lines, behind a byte order mark', `\ufeff${JSON.stringify(objects, null, 2)}\n`],
  ])('is taken apart in %s, wherever it is cut', (_form, text) => {
    for (const pieceBytes of [1, 2, 3, 5, 64, 4096])
      expect(take(text, pieceBytes).map(({ value }) => value)).toEqual(objects)
  })

  it('tells the line on which an object begins', () => {
    expect(take('[\n\n{"a":\n1},\n{}]').map(({ line }) => line)).toEqual([3, 5])
  })

  it.each([
    ['{}\nx', 'line 2 has something that is no JSON object'],
    ['[1]', 'line 1 has something that is no JSON object'],
    ['{"a"}', 'line 1 has something that is no JSON object'],
    ['{]', 'line 1 has something that is no JSON object'],
    ['{}\n{"a":', 'line 2 has an object that does not end'],
    ['[{}\n', 'line 2 has a list that does not end'],
    ['[[{}]]', 'line 1 has something'],
  ])('with %j is refused with its line', (text, message) => {
    expect(() => take(text)).toThrow(message)
  })

  it('is refused when one object has no end within its bound', () => {
    expect(() => take(`\n{"a":"${'x'.repeat(LIMITS.npmAdvisoryBytesMax)}"}`, 65_536)).toThrow(
      'line 2 has an object of more',
    )
  })
})

describe('an OSV record', () => {
  const record = (affected: object, more: object = {}) =>
    advisoriesOf(
      osvSchema.parse({
        id: 'GHSA-aaaa-bbbb-cccc',
        affected: [{ package: { ecosystem: 'npm', name: 'a' }, ...affected }],
        ...more,
      }),
    )
  const ranges = (...events: readonly object[]) => record({ ranges: [{ type: 'SEMVER', events }] })[0]?.versions

  it('gives ranges as npm reads them', () => {
    expect(ranges({ introduced: '0' }, { fixed: '1.2.3' })).toBe('<1.2.3')
    expect(ranges({ introduced: '1.0.0' }, { last_affected: '1.9.9' })).toBe('>=1.0.0 <=1.9.9')
    expect(ranges({ introduced: '0' })).toBe('>=0')
    expect(ranges({ introduced: '1.0.0' }, { fixed: '1.2.0' }, { introduced: '2.0.0' }, { fixed: '2.0.5' })).toBe(
      '>=1.0.0 <1.2.0 || >=2.0.0 <2.0.5',
    )
    expect(record({ versions: ['1.0.0', '1.0.1'] })[0]?.versions).toBe('1.0.0 || 1.0.1')
    expect(record({ ranges: [{ type: 'GIT', events: [{ introduced: '0' }] }] })[0]?.versions).toBe('>=0')
  })

  it('says nothing of other ecosystems, and nothing when it was withdrawn', () => {
    expect(record({ package: { ecosystem: 'PyPI', name: 'a' } })).toEqual([])
    expect(record({}, { withdrawn: '2026-01-01T00:00:00Z' })).toEqual([])
    expect(record({ package: null })).toEqual([])
  })

  it('has the severity that its database says, else that of its vector, and malware is critical', () => {
    const severity = [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H' }]
    expect(record({}, { severity, database_specific: { severity: 'LOW', cwe_ids: ['CWE-1', 2] } })[0]).toMatchObject({
      severity: 'low',
      score: 7.5,
      cwe: ['CWE-1'],
    })
    expect(record({}, { severity })[0]).toMatchObject({ severity: 'high', score: 7.5 })
    expect(record({})[0]).toMatchObject({ severity: 'moderate', score: 0 })
    expect(record({}, { id: 'MAL-2026-1' })[0]).toMatchObject({ severity: 'critical', cwe: ['CWE-506'] })
  })
})

describe('a CVSS vector', () => {
  // Scores of the examples of FIRST's own documents and of well-known CVEs.
  it.each([
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', 9.8, 'critical'],
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H', 10, 'critical'],
    ['CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N', 6.1, 'moderate'],
    ['CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:N/I:L/A:N', 2.5, 'low'],
    ['CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N', 3.1, 'low'],
    ['CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N', 6.4, 'moderate'],
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N', 0, 'info'],
  ])('%s scores %s, which is %s', (vector, score, severity) => {
    expect(cvssScore(vector)).toBe(score)
    expect(severityOf(score)).toBe(severity)
  })

  it.each([
    '',
    'CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N',
    'CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
  ])('%j has none', (vector) => {
    expect(cvssScore(vector)).toBeUndefined()
  })
})

describe('advisories', () => {
  it('of OSV records and of a saved bulk answer are told together, each once', () => {
    const reader = createAdvisoryReader()
    const url = 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc'
    const affected = [{ package: { ecosystem: 'npm', name: 'a' } }, { package: { ecosystem: 'npm', name: 'id' } }]
    reader.take({ line: 1, value: { id: 'GHSA-aaaa-bbbb-cccc', summary: 'from OSV', affected } })
    reader.take({
      line: 2,
      value: { a: [{ id: 7, url, title: 'saved', more: true }], id: [{ id: 8, url: 'https://x/' }] },
    })
    const book = reader.finish()
    expect(book.packages).toBe(2)
    expect(book.of('a')).toEqual([{ id: 7, url, title: 'saved', more: true }])
    expect(book.of('id').map(({ id }) => id)).toEqual([expect.any(Number), 8])
    expect(book.of('constructor')).toEqual([])
  })

  it.each([[{ a: [{}] }], [{ a: 1 }], [{ id: 'x', affected: 1 }]])('in %j are refused with their line', (value) => {
    const reader = createAdvisoryReader()
    expect(() => reader.take({ line: 3, value })).toThrow(/^line 3 has neither an OSV record nor a bulk answer: /)
  })
})
