import { breath } from '../../src/breath.ts'
import { LIMITS } from '../../src/limits.ts'

/**
 * Do some work for each item: `LIMITS.referenceReadsAtOnce` at once, because a database over the network answers them together, and with
 * a turn for everybody else in between.
 */
export async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += LIMITS.referenceReadsAtOnce) {
    await Promise.all(items.slice(at, at + LIMITS.referenceReadsAtOnce).map(work))
    await breath()
  }
}
