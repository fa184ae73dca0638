import { describe, expect, it } from 'vitest'

import { usedGrants } from '../../../cmd/use/used-grants.ts'
import { USED_CLIENTS } from '../../../cmd/use/edits.ts'

const all = new Set(USED_CLIENTS)

describe('usedGrants', () => {
  it('asks for reading, of what one has, for the clients that were named', () => {
    expect(usedGrants(['*:*:*'], all, false)).toEqual(['*:read:*'])
    expect(usedGrants(['*:*:*'], new Set(['pip', 'uv']), false)).toEqual(['python:read:*'])
    expect(usedGrants(['*:*:@acme/*'], new Set(['npm', 'pip']), false)).toEqual([
      'npm:read:@acme/*',
      'python:read:@acme/*',
    ])
    expect(usedGrants(['npm:write:@acme/*', 'nix:read:*'], new Set(['npm']), false)).toEqual(['npm:read:@acme/*'])
    expect(usedGrants(['npm:read:a', 'npm:write:a', 'npm:delete:*', 'npm:admin:*'], all, false)).toEqual(['npm:read:a'])
  })

  it('asks for writing only when that is wanted, and only where one may write', () => {
    expect(usedGrants(['*:*:*'], all, true)).toEqual(['*:write:*'])
    expect(usedGrants(['npm:write:a', 'nix:read:*'], all, true)).toEqual(['npm:write:a', 'nix:read:*'])
  })
})
