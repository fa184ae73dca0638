import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { npmAuditEntry, packageIn, type Done } from '../../../protocols/npm/audit-line.ts'
import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { SERVER } from '../../../src/protocol.ts'

const CALLER = { ...SERVER, cache: MAIN_CACHE }
const DONE: readonly [Done, string][] = [
  [{ action: 'write' }, ''],
  [{ action: 'write', part: '1.0.0-rc.1+build' }, '@1.0.0-rc.1+build'],
  [{ action: 'delete', part: '1.0.0' }, '@1.0.0'],
  [{ action: 'admin', part: '1.0.0' }, '@1.0.0'],
  [{ action: 'write', part: 'a@tag' }, '@a@tag'],
  [{ action: 'write', what: 'history' }, ' history'],
  [{ action: 'sign' }, ''],
]

describe("npm's lines of the audit log", () => {
  it.each(['left-pad', '@acme/button', '-', 'A.B_c~d', '@-/-'])('name the package %s, which is read back', (name) => {
    for (const [done, rest] of DONE) {
      const entry = npmAuditEntry(CALLER, name, done)
      expect(entry).toMatchObject({ action: `npm:${done.action}`, resource: `${name}${rest}`, digest: '' })
      expect(packageIn(entry)).toBe(name)
    }
  })

  it('are no changes when they tell of a refusal, of another ecosystem, or of no package', () => {
    const entry = npmAuditEntry(CALLER, 'left-pad', { action: 'write', digest: 'ab' })
    expect(entry.digest).toBe('ab')
    expect(packageIn({ ...entry, result: 'denied' })).toBeUndefined()
    expect(packageIn({ ...entry, action: 'nix:write' })).toBeUndefined()
    expect(packageIn({ ...entry, resource: '' })).toBeUndefined()
  })

  // A search goes by the log: a package that is written elsewhere would be found as it was.
  it('are made in one place, as records of packages are put in one', () => {
    const files = globSync('protocols/npm/*.ts').map(
      (file) => [path.basename(file), readFileSync(file, 'utf8')] as const,
    )
    const having = (pattern: RegExp): string[] => files.filter(([, text]) => pattern.test(text)).map(([name]) => name)
    expect(having(/\bauditEntry\b/)).toEqual(['audit-line.ts'])
    expect(having(/\{ kind: KIND\.package,/)).toEqual(['write-package.ts'])
    expect(having(/\bchangeInTurn\(/)).toEqual(['write-package.ts'])
  })
})
