import { describe, expect, it } from 'vitest'

import { auditRows, newestAuditRows } from '../../src/audit-log.ts'
import type { AuditRow } from '../../src/kv-store.ts'
import { auditEntry } from '../conformance/kv-samples.ts'

/** A log with these numbers, and how many rows were asked for at most at once, and in all. */
function logOf(seqs: readonly number[]) {
  const rows = seqs.map((seq): AuditRow => ({ ...auditEntry(`r${seq}`), seq, at: seq, cache: 1, hash: '' }))
  const asked = { most: 0, calls: 0 }
  return {
    asked,
    audit(after: number, limit: number) {
      asked.most = Math.max(asked.most, limit)
      asked.calls++
      return rows.filter(({ seq }) => seq > after).slice(0, limit)
    },
  }
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1)
const seqsOf = (rows: readonly AuditRow[]): number[] => rows.map(({ seq }) => seq)

describe('reading the audit log', () => {
  it('goes through all of it in pages, in order, each line once', async () => {
    const log = logOf(upTo(2500))
    expect(seqsOf(await Array.fromAsync(auditRows(log)))).toEqual(upTo(2500))
    expect(log.asked).toEqual({ most: 1000, calls: 4 })
    expect(await Array.fromAsync(auditRows(logOf([])))).toEqual([])
  })

  it.each([0, 1, 2, 3, 4, 5, 7, 8, 9, 999, 1000, 1001, 2048, 3000])('finds the end of %i lines', async (last) => {
    const { rows, more } = await newestAuditRows(logOf(upTo(last)), 3, () => true)
    expect(seqsOf(rows)).toEqual(upTo(last).slice(-3))
    expect(more).toBe(last > 3)
  })

  it('finds the end of a log with gaps, however wide', async () => {
    const seqs = [5, 6, 40, 2000, 2001, 90_000]
    const { rows } = await newestAuditRows(logOf(seqs), 10, () => true)
    expect(seqsOf(rows)).toEqual(seqs)
  })

  it('looks back only as far as it must', async () => {
    const log = logOf(upTo(50_000))
    const { rows, more } = await newestAuditRows(log, 10, ({ seq }) => seq % 2 === 0)
    expect(seqsOf(rows)).toEqual([49_982, 49_984, 49_986, 49_988, 49_990, 49_992, 49_994, 49_996, 49_998, 50_000])
    expect(more).toBe(true)
    expect(log.asked.calls).toBeLessThan(60)
  })

  it('says that there are no more when it has shown all that match', async () => {
    const found = await newestAuditRows(logOf(upTo(5000)), 2, ({ seq }) => seq === 17 || seq === 4000)
    expect({ ...found, rows: seqsOf(found.rows) }).toEqual({ rows: [17, 4000], more: false })
  })
})
