import { LIMITS } from '../limits.ts'

/**
 * How long to wait behind a try that failed: twice as long each time, not for all at the same moment, and at least as long as whoever
 * refused asks for. Milliseconds.
 */
export function backOffMs(firstMs: number, tries: number, askedMs: number): number {
  const growing = firstMs * 2 ** (tries - 1) * (0.5 + Math.random() / 2)
  return Math.min(Math.max(growing, askedMs), LIMITS.transferPauseMsMax)
}
