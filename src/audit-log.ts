import type { AuditRow, KvStore } from './kv-store.ts'

type AuditReader = Pick<KvStore, 'audit'>

const PAGE = 1000

/** The whole audit log, oldest line first, a page in memory at a time. */
export async function* auditRows(kv: AuditReader): AsyncGenerator<AuditRow> {
  for (let after = 0; ;) {
    const page = await kv.audit(after, PAGE)
    yield* page
    const last = page.at(-1)
    if (last === undefined) return
    after = last.seq
  }
}

/**
 * The last `limit` lines that match, oldest first. `more`: an earlier one matches too. Read backwards from the end, so that the
 * newest are found at once in a long log.
 */
export async function newestAuditRows(
  kv: AuditReader,
  limit: number,
  matches: (row: AuditRow) => boolean,
): Promise<{ readonly rows: readonly AuditRow[]; readonly more: boolean }> {
  let rows: AuditRow[] = []
  for (let end = await lastSeq(kv); end > 0 && rows.length <= limit; end -= PAGE) {
    const page = await kv.audit(Math.max(0, end - PAGE), PAGE)
    rows = [...page.filter((row) => row.seq <= end && matches(row)), ...rows]
  }
  return { rows: rows.slice(-limit), more: rows.length > limit }
}

/** Number of the last line, by halving: a store is only asked for what lies behind a number. */
async function lastSeq(kv: AuditReader): Promise<number> {
  const next = async (after: number): Promise<number | undefined> => (await kv.audit(after, 1))[0]?.seq
  let [known, beyond] = [0, 1]
  for (let seq = await next(0); seq !== undefined; seq = await next(beyond)) {
    known = seq
    beyond = seq * 2
  }
  while (known + 1 < beyond) {
    const middle = Math.floor((known + beyond) / 2)
    const seq = await next(middle)
    if (seq === undefined) beyond = middle
    else known = seq
  }
  return (await next(known)) ?? known
}
