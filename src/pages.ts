import { breath } from './breath.ts'
import type { MaybePromise } from './kv-store.ts'

/**
 * All that a database lists, a page in memory at a time; others have a turn in between.
 *
 * @param page gives what lies behind a row, or the first rows; when there are none, that was all
 */
export async function* pages<T>(
  page: (after: T | undefined) => MaybePromise<readonly T[]>,
): AsyncGenerator<readonly T[]> {
  for (let rows = await page(undefined); rows.length > 0; rows = await page(rows.at(-1))) {
    yield rows
    await breath()
  }
}
