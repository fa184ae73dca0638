import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { errorOf, outcomeOf, type BatchWriter, type Outcome } from './batch-writer.ts'
import type { Write } from './commit.ts'

/** The way to the writer. */
export interface WriteQueue extends AsyncDisposable {
  /**
   * Resolves when the write is durable.
   *
   * @throws DepotError what the write meets; `STORAGE_DOWN` when the writer dies, or too much is waiting.
   */
  write(write: Write): Promise<void>
  /** Accept no more, and wait until nothing is left to do. */
  drain(): Promise<void>
}

interface Waiting {
  readonly write: Write
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Hands whatever waits to the writer whenever it is free: alone a write goes at once, under load they share a transaction, with no timer.
 * What a writer that died had in hand fails, and so does all that waits for it.
 */
export function openWriteQueue(writer: BatchWriter): WriteQueue {
  const waiting: Waiting[] = []
  let isBusy = false
  let draining: Promise<void> | undefined
  let drained: (() => void) | undefined

  function send(): void {
    if (isBusy) return
    if (waiting.length === 0) return drained?.()
    isBusy = true
    const batch = waiting.splice(0, LIMITS.commitsPerBatch)
    writer.apply(batch.map(({ write }) => write)).then(
      (outcomes) => finish(batch, outcomes),
      (cause: unknown) => giveUp(batch, cause),
    )
  }

  function finish(batch: readonly Waiting[], outcomes: readonly Outcome[]): void {
    isBusy = false
    // First the next batch: the writer works while these callers go on.
    send()
    batch.forEach((one, index) => settle(one, outcomes[index]))
  }

  function giveUp(batch: readonly Waiting[], cause: unknown): void {
    isBusy = false
    const error = new DepotError('STORAGE_DOWN', 'the database writer stopped: try again', { cause })
    for (const { reject } of [...batch, ...waiting.splice(0)]) reject(error)
    drained?.()
  }

  function drain(): Promise<void> {
    draining ??= new Promise((resolve) => {
      if (isBusy) drained = resolve
      else resolve()
    })
    return draining
  }

  return {
    write(write) {
      if (draining !== undefined) return Promise.reject(new DepotError('STORAGE_DOWN', 'the depot is shutting down'))
      if (waiting.length >= LIMITS.commitsWaitingMax) {
        return Promise.reject(new DepotError('STORAGE_DOWN', 'the database cannot keep up: try again later'))
      }
      return new Promise((resolve, reject) => {
        waiting.push({ write, resolve, reject })
        send()
      })
    },
    drain,
    async [Symbol.asyncDispose]() {
      await drain()
      await writer.close()
    },
  }
}

/** Have a queue that others use as well apply a batch: what waits at that moment shares transactions, whoever sent it. */
export async function applyThrough(
  queue: Pick<WriteQueue, 'write'>,
  writes: readonly Write[],
): Promise<readonly Outcome[]> {
  return Promise.all(writes.map((write) => queue.write(write).then(() => undefined, outcomeOf)))
}

function settle({ resolve, reject }: Waiting, outcome: Outcome): void {
  const failure = errorOf(outcome)
  if (failure === undefined) resolve()
  else reject(failure.error)
}
