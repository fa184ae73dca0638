import type { Report } from '../../../src/client/report.ts'
import { hasCode } from '../../../src/errors.ts'
import { messageOf } from '../../../src/thrown.ts'

/**
 * Record as failed what concerns this item alone. Pages and files come from several hosts: one that is down, or that wants other
 * credentials, says nothing of the others.
 *
 * @param context what stands before the reason
 * @throws the error when nothing more can be saved: a full disk, or a bug
 */
export function failOne(report: Report, item: string, error: unknown, context = ''): void {
  if (hasCode(error, 'STORAGE_FULL') || error instanceof TypeError) throw error
  report.add({ item, result: 'failed', reason: context + messageOf(error) })
}
