import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { auditHash, verifyChain } from '../../src/audit-chain.ts'
import type { AuditRow } from '../../src/kv-store.ts'
import { auditEntry } from '../conformance/kv-samples.ts'

type Content = Omit<AuditRow, 'hash'>

const FIRST: Content = { ...auditEntry('a'), seq: 1, at: 1_700_000_000_123, cache: 1 }

/** Lines as the depot writes them; those of `older` are from before it tied them together. */
function chain(length: number, older = 0): AuditRow[] {
  const rows: AuditRow[] = []
  for (let seq = 1; seq <= length; seq++) {
    const row = { ...FIRST, seq, resource: `r${seq}` }
    rows.push({ ...row, hash: seq <= older ? '' : auditHash(rows.at(-1)?.hash ?? '', row) })
  }
  return rows
}

describe('the hash of an audit line', () => {
  it('is the sha256 that any other program computes', () => {
    // printf '1\0001700000000123\0001\000token:t1\000npm:write\000a\000%s\000::1\000npm/11\000t1\000done\000' aaa… | sha256sum
    const first = '2cf0b8b5ce31e503232a0a60815a986277b9179ccd7033403b69399e8f988538'
    expect(auditHash('', FIRST)).toBe(first)
    // The same with 2 for the 1 that it begins with, behind the bytes of the first hash.
    expect(auditHash(first, { ...FIRST, seq: 2 })).toBe(
      '38a45c2a8c2a6f2efe6d104f07c7ec66ed578b1e3b63dc1f805105dffc3475b5',
    )
  })

  it('changes with every field, and when text moves from one field to the next', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '1', 'ü') })
    const content = fc.record({
      seq: fc.nat(),
      at: fc.nat(),
      cache: fc.nat(),
      principal: text,
      action: text,
      resource: text,
      digest: text,
      address: text,
      userAgent: text,
      credential: text,
      result: fc.constantFrom('done' as const, 'denied' as const),
    })
    fc.assert(
      fc.property(content, content, (one, other) => {
        expect(auditHash('', one) === auditHash('', other)).toBe(JSON.stringify(one) === JSON.stringify(other))
        const moved = { ...one, principal: one.principal + one.action, action: '' }
        expect(auditHash('', one) === auditHash('', moved)).toBe(one.action === '')
      }),
    )
  })
})

describe('checking the chain', () => {
  it('finds nothing in an empty log', async () => {
    expect(await verifyChain([])).toEqual({ verified: 0, before: 0 })
  })

  it('says how many lines are older than the chain', async () => {
    const rows = chain(5, 2)
    expect(await verifyChain(rows)).toEqual({ verified: 3, before: 2, head: { seq: 5, hash: rows[4]?.hash } })
    expect(await verifyChain(chain(2, 2))).toEqual({ verified: 0, before: 2 })
  })

  it.each([...Object.keys(FIRST), 'hash'])('names the line whose %s was changed', async (field) => {
    const rows = chain(5)
    const changed = rows.map((row) =>
      row.seq === 3 ? { ...row, [field]: field === 'hash' ? 'f'.repeat(64) : 7 } : row,
    )
    expect(await verifyChain(changed)).toMatchObject({ verified: 2, broken: { seq: 3 } })
  })

  it('names the line that was removed, the first and the last one older than the chain too', async () => {
    const without = (rows: AuditRow[], seq: number) => rows.filter((row) => row.seq !== seq)
    expect(await verifyChain(without(chain(5), 3))).toMatchObject({ verified: 2, broken: { seq: 3 } })
    expect(await verifyChain(without(chain(5), 1))).toMatchObject({ verified: 0, broken: { seq: 1 } })
    expect(await verifyChain(without(chain(5, 2), 2))).toMatchObject({ before: 1, broken: { seq: 2 } })
    expect(await verifyChain(without(chain(5, 2), 3))).toMatchObject({ before: 2, broken: { seq: 3 } })
  })

  it('names a line that has no hash, or was put in, where lines have one', async () => {
    const bare = chain(4).map((row) => (row.seq === 2 ? { ...row, hash: '' } : row))
    expect(await verifyChain(bare)).toMatchObject({ verified: 1, broken: { seq: 2 } })
    // As if those before it were older than the chain: the next line still knows better.
    const cleared = chain(4).map((row) => (row.seq <= 2 ? { ...row, principal: 'nobody', hash: '' } : row))
    expect(await verifyChain(cleared)).toMatchObject({ before: 2, broken: { seq: 3 } })
    const rows = chain(4)
    expect(await verifyChain(rows.flatMap((row) => (row.seq === 3 ? [row, row] : [row])))).toMatchObject({
      verified: 3,
      broken: { seq: 4 },
    })
  })

  it('knows a chain that was written anew, or cut, by a place that was noted before', async () => {
    const rows = chain(5)
    const noted = { seq: 4, hash: rows[3]?.hash ?? '' }
    expect(await verifyChain(rows, noted)).toMatchObject({ verified: 5, head: { seq: 5 } })
    expect(await verifyChain(rows.slice(0, 3))).toMatchObject({ verified: 3, head: { seq: 3 } })
    expect(await verifyChain(rows.slice(0, 3), noted)).toMatchObject({ verified: 3, broken: { seq: 4 } })
    expect(await verifyChain([], noted)).toMatchObject({ broken: { seq: 4 } })
    const rewritten = chain(5, 1)
    expect(await verifyChain(rewritten, noted)).toMatchObject({ verified: 2, broken: { seq: 4 } })
    expect(await verifyChain(chain(5, 4), noted)).toMatchObject({ before: 3, broken: { seq: 4 } })
  })
})
