import { failItem, type Report } from '../../../src/client/report.ts'
import { DepotError } from '../../../src/errors.ts'

/**
 * Record as failed what concerns this item alone: a registry may refuse or break down over one package of many. @throws the error when
 * nothing more can be saved: a full disk, a registry that nobody reaches, or a bug
 */
export function failSaved(report: Report, item: string, error: unknown): void {
  const ofOne = error instanceof DepotError && (REFUSALS.has(error.code) || BREAKDOWNS.has(error.status))
  if (ofOne) report.add({ item, result: 'failed', reason: error.message })
  else failItem(report, item, error)
}

const REFUSALS: ReadonlySet<string> = new Set(['FORBIDDEN', 'UNAUTHENTICATED'])
/** Not 503: that says that all of it is down. */
const BREAKDOWNS: ReadonlySet<number> = new Set([500, 502, 504])
