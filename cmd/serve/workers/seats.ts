import { createHandOver, type HandOver, type Taker } from '../../../src/node/hand-over.ts'
import type { WorkerProcess } from './worker-process.ts'

/** Which worker serves under which number, and so gets connections. */
export interface Seats {
  readonly connections: HandOver
  /** From now on it serves under its number, and gets connections. */
  take(worker: WorkerProcess): void
  /** It gets none any more. */
  leave(worker: WorkerProcess): void
  /** It says that it has a connection that it was given. */
  taken(worker: WorkerProcess): void
  /** It has ended. Returns whether it still had its place. */
  vacate(worker: WorkerProcess): boolean
  /** Whether it is the one that serves under its number. */
  has(worker: WorkerProcess): boolean
  /** Those who serve at this moment. */
  all(): readonly WorkerProcess[]
}

export function createSeats(): Seats {
  const connections = createHandOver()
  const seats = new Map<number, WorkerProcess>()
  const takers = new Map<WorkerProcess, Taker>()
  const has = (worker: WorkerProcess): boolean => seats.get(worker.number) === worker

  function tell(worker: WorkerProcess, what: 'remove' | 'lost' | 'taken'): void {
    const taker = takers.get(worker)
    if (taker !== undefined) connections[what](taker)
  }
  return {
    connections,
    take(worker) {
      const taker: Taker = (connection) => worker.give(connection)
      seats.set(worker.number, worker)
      takers.set(worker, taker)
      connections.add(taker)
      // What it took, it has said by then.
      void worker.silent.then(() => {
        tell(worker, 'lost')
        takers.delete(worker)
      })
    },
    leave: (worker) => tell(worker, 'remove'),
    taken: (worker) => tell(worker, 'taken'),
    vacate: (worker) => has(worker) && seats.delete(worker.number),
    has,
    all: () => [...seats.values()],
  }
}
