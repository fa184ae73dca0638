import type { BatchWriter, Outcome } from '../../../storage/kv/sqlite/batch-writer.ts'
import type { Write } from '../../../storage/kv/sqlite/commit.ts'

/** Commits by way of the parent, which has the one writer of all. */
export interface ParentWriter extends BatchWriter {
  /** Its answer to the batch that is under way. */
  done(outcomes: readonly Outcome[]): void
  /** There will be no answer any more, to nothing. */
  lost(): void
}

export function parentWriter(send: (writes: readonly Write[]) => void): ParentWriter {
  let underWay: PromiseWithResolvers<readonly Outcome[]> | undefined
  let isLost = false

  function settled(): typeof underWay {
    const batch = underWay
    underWay = undefined
    return batch
  }

  return {
    apply(writes) {
      if (underWay !== undefined) throw new Error('the parent takes one batch at a time')
      if (isLost) return Promise.reject(GONE)
      underWay = Promise.withResolvers()
      send(writes)
      return underWay.promise
    },
    done: (outcomes) => settled()?.resolve(outcomes),
    lost() {
      isLost = true
      settled()?.reject(GONE)
    },
    close: async () => {},
  }
}

const GONE = new Error('the process that commits has gone')
