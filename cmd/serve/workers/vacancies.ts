import type { Events } from '../../../src/events.ts'
import { LIMITS } from '../../../src/limits.ts'
import { messageOf } from '../../../src/thrown.ts'
import { watchDowntime } from './downtime.ts'
import type { Launcher } from './launcher.ts'
import type { Seats } from './seats.ts'
import { createTries } from './tries.ts'
import type { WorkerProcess } from './worker-process.ts'

export interface VacanciesOptions {
  readonly seats: Seats
  readonly launcher: Launcher
  readonly events: Pick<Events, 'workerEnded'>
  /** Aborted when no place is to be filled any more. */
  readonly ending: AbortSignal
}

/** Has every number served: where a worker ends or cannot start, another one is tried. */
export interface Vacancies extends Disposable {
  /** Rejects when for `LIMITS.workersDownMsMax` nobody could serve, with what the last one could not start for. */
  readonly tooLong: Promise<never>
  /** It can serve, and gets connections from now on; if it has ended meanwhile, another one is tried. */
  seat(worker: WorkerProcess): void
  /** Nobody serves under this number: try one later, and the later the more often it failed. */
  fillLater(number: number, why: unknown): void
  /** It has ended, whether it ever served or not. */
  ended(worker: WorkerProcess, how: string): void
}

export function createVacancies({ seats, launcher, events, ending }: VacanciesOptions): Vacancies {
  const tries = createTries()
  const downtime = watchDowntime()

  function seat(worker: WorkerProcess): void {
    // While others of its wave were waited for.
    if (!launcher.living.has(worker)) return fillLater(worker.number, new Error('ended as soon as it could serve'))
    seats.take(worker)
    downtime.end()
  }

  function fillAfter(pauseMs: number, number: number, why: unknown): void {
    if (ending.aborted) return
    events.workerEnded(number, messageOf(why), pauseMs)
    if (seats.all().length === 0) downtime.begin(why)
    tries.after(pauseMs, () => void fill(number))
  }

  function fillLater(number: number, why: unknown): void {
    fillAfter(tries.failed(number), number, why)
  }

  async function fill(number: number): Promise<void> {
    try {
      const worker = await launcher.launchReady(number)
      seat(worker)
      setTimeout(() => seats.has(worker) && tries.forget(number), LIMITS.workerSteadyMs).unref()
    } catch (error) {
      fillLater(number, error)
    }
  }

  return {
    tooLong: downtime.tooLong,
    seat,
    fillLater,
    ended(worker, how) {
      if (!seats.vacate(worker)) return
      const isSteady = performance.now() - worker.startedAt >= LIMITS.workerSteadyMs
      fillAfter(isSteady ? 0 : tries.failed(worker.number), worker.number, new Error(`ended ${how}`))
    },
    [Symbol.dispose]() {
      downtime[Symbol.dispose]()
      tries[Symbol.dispose]()
    },
  }
}
