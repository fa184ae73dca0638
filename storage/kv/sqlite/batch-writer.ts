import { DepotError, type ErrorCode } from '../../../src/errors.ts'
import type { Write } from './commit.ts'

/** How one write went: done, an expected failure, or a bug. It can be sent to another thread or process. */
export type Outcome =
  | undefined
  | { readonly code: ErrorCode; readonly message: string; readonly cause: unknown }
  | { readonly bug: unknown }

/** Who applies writes to the one file: a thread of this process, or a process that has that thread. */
export interface BatchWriter {
  /**
   * Apply some writes in one transaction, each whole or not at all; resolves when those that were done are durable, with an outcome for
   * each in its place. Rejects when the writer is gone: whether they were done is then not known.
   */
  apply(writes: readonly Write[]): Promise<readonly Outcome[]>
  /** End it when nothing is under way any more. */
  close(): Promise<void>
}

/** What was thrown, as it travels to whoever waits for it. */
export function outcomeOf(error: unknown): Outcome {
  return error instanceof DepotError ? { code: error.code, message: error.message, cause: error.cause } : { bug: error }
}

/** The way back: what is to be thrown, or undefined where there is nothing to throw. */
export function errorOf(outcome: Outcome): { readonly error: unknown } | undefined {
  if (outcome === undefined) return undefined
  if ('bug' in outcome) return { error: outcome.bug }
  return { error: new DepotError(outcome.code, outcome.message, { cause: outcome.cause }) }
}
