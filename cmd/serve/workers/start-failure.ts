import { DepotError, type ErrorCode } from '../../../src/errors.ts'
import { messageOf } from '../../../src/thrown.ts'
import { UsageError } from '../../cli.ts'
import type { StartFailure } from './messages.ts'

/** What a worker could not start for, as it travels to its parent. */
export function startFailureOf(error: unknown): StartFailure {
  const message = messageOf(error)
  if (error instanceof UsageError) return { kind: 'usage', message, detail: '' }
  if (error instanceof DepotError) {
    return { kind: error.code, message, detail: error.cause instanceof Error ? error.cause.message : '' }
  }
  return { kind: 'bug', message, detail: error instanceof Error ? (error.stack ?? '') : '' }
}

/** What the parent throws for it: told as it is where one process serves. */
export function errorOfStart({ kind, message, detail }: StartFailure): Error {
  if (kind === 'usage') return new UsageError(message)
  if (kind === 'bug') return Object.assign(new Error(message), { stack: detail })
  return new DepotError(kind satisfies ErrorCode, message, detail === '' ? {} : { cause: new Error(detail) })
}
