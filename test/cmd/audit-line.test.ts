import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { auditJson, auditText } from '../../cmd/audit-line.ts'
import type { AuditRow } from '../../src/kv-store.ts'
import { auditEntry } from '../conformance/kv-samples.ts'

const ROW: AuditRow = {
  ...auditEntry('@acme/button@1.0.0'),
  seq: 17,
  at: 1_700_000_000_123,
  cache: 1,
  hash: 'f'.repeat(64),
}

describe('a line of the audit log', () => {
  it('says who did what, when, from where, and how it went', () => {
    expect(auditText({ ...ROW, digest: 'ab', userAgent: 'npm/11 node/v24' })).toBe(
      '17 2023-11-14T22:13:20.123Z done token:t1 npm:write @acme/button@1.0.0 sha256=ab from=::1 credential=t1 client="npm/11 node/v24"',
    )
  })

  it('leaves out what is empty, and names another cache than the usual one', () => {
    const bare = { ...ROW, principal: 'anonymous', digest: '', address: '', userAgent: '', credential: '', cache: 0 }
    expect(auditText({ ...bare, resource: '', result: 'denied' })).toBe(
      '17 2023-11-14T22:13:20.123Z denied anonymous npm:write "" cache=0',
    )
  })

  it('shows a time that cannot be one as it is', () => {
    expect(auditText({ ...ROW, at: 1e18 })).toContain('17 1000000000000000000 done')
  })

  it('never lets a field act on a terminal, end the line, or look like two', () => {
    const text = fc.string({ unit: 'binary' })
    const nasty = fc.constantFrom('\u001b[2J', '\u009b31m', '\u202e', 'a b', '"', '\\', '\u2028', '\n', '\u{e0001}')
    fc.assert(
      fc.property(fc.oneof(text, nasty), (value) => {
        const row = { ...ROW, resource: value, userAgent: value }
        for (const line of [auditText(row), auditJson(row)]) expect(line).not.toMatch(/[\p{C}\u2028\u2029]/u)
        expect(JSON.parse(auditJson(row))).toEqual(row)
        const shown = / npm:write (?<resource>"(?:[^"\\]|\\.)*"|[^\s"\\]+) sha256=/.exec(auditText(row))?.groups
        const resource = shown?.['resource'] ?? ''
        expect(resource.startsWith('"') ? JSON.parse(resource) : resource).toBe(value)
      }),
    )
  })
})
