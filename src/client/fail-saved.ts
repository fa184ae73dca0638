import { DepotError } from '../errors.ts'
import { failItem, type Report } from './report.ts'
import { endsTransfer } from './transfer-answer.ts'

/**
 * Record as failed what concerns this item alone. @throws the error when nothing more can be saved: a full disk, an upstream that nobody
 * reaches, or a bug
 */
export function failSaved(report: Report, item: string, error: unknown): void {
  if (concernsOne(error)) report.add({ item, result: 'failed', reason: error.message })
  else failItem(report, item, error)
}

/** Whether a failure is about what was asked for: an upstream may refuse or break down over one thing of many. */
export function concernsOne(error: unknown): error is DepotError {
  return (
    error instanceof DepotError && (REFUSALS.has(error.code) || BREAKDOWNS.has(error.status) || !endsTransfer(error))
  )
}

/** An upstream that does not let us have something, or does not know what we mean. */
export function isRefusal(error: unknown): error is DepotError {
  return error instanceof DepotError && REFUSALS.has(error.code)
}

const REFUSALS: ReadonlySet<string> = new Set(['FORBIDDEN', 'UNAUTHENTICATED', 'BAD_REQUEST'])
/** Not 503: that says that all of it is down. */
const BREAKDOWNS: ReadonlySet<number> = new Set([500, 502, 504])
