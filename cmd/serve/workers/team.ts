import { availableParallelism } from 'node:os'

import type { Events } from '../../../src/events.ts'
import type { HandOver } from '../../../src/node/hand-over.ts'
import { LIMITS } from '../../../src/limits.ts'
import { NO_SIBLINGS, type Siblings } from '../../../src/siblings.ts'
import type { WriteQueue } from '../../../storage/kv/sqlite/queue.ts'
import { endWithin } from './end-within.ts'
import { hearWorkers } from './hear-workers.ts'
import { createLauncher, type Launcher } from './launcher.ts'
import type { ToWorker, WorkerReady, WorkerStart } from './messages.ts'
import { createSeats, type Seats } from './seats.ts'
import { startInWaves } from './start-in-waves.ts'
import { createVacancies, type Vacancies } from './vacancies.ts'
import type { Patience, WorkerProcess } from './worker-process.ts'

export interface TeamOptions {
  readonly count: number
  /** So many start side by side; as many as there are cores when absent, for more would only make each other late. */
  readonly atOnce?: number
  /** How a worker starts at this moment. */
  start(number: number): WorkerStart
  readonly writer: WriteQueue | undefined
  /** The other servers of the same database, if there may be any. */
  readonly servers?: Siblings
  readonly events: Pick<Events, 'workerEnded' | 'connectionMissed'>
  readonly graceMs: number
  /** `LIMITS` when absent. */
  readonly patience?: Patience
}

/** The processes that serve. */
export interface Team {
  /** Who gives them connections. */
  readonly connections: HandOver
  /** Rejects when for `LIMITS.workersDownMsMax` none of them could serve, with what the last one could not start for. */
  readonly down: Promise<never>
  /**
   * Start all, some at a time. Who does not say in time that it can serve is replaced later; who says that it cannot, or ends, ends the start,
   * and so does a first wave of which nobody can serve: nobody is left then.
   *
   * @throws what the first one that cannot start says
   */
  begin(): Promise<WorkerReady>
  /** Send something to everybody who lives. */
  tellAll(message: ToWorker): void
  /** Have everybody say that the server will stop, also who does not serve yet. */
  turnUnready(): void
  /** Replace one after another; each old one goes when the new one serves. @throws what a new one could not start for */
  replace(): Promise<void>
  /** Replace no one any more, and wait until all have ended. */
  end(): Promise<void>
}

/** Start, watch and replace processes that serve. */
export function createTeam(options: TeamOptions): Team {
  const { events, graceMs, atOnce = availableParallelism() } = options
  const stopping = new AbortController()
  const ending = stopping.signal
  const seats = createSeats()
  const hear = hearWorkers({ servers: NO_SIBLINGS, ...options, seats, living: () => launcher.living })
  let isUnready = false
  const launcher = createLauncher({
    ...options,
    hear,
    ending,
    // Before it gets its first connection.
    served: (worker) => isUnready && worker.send('unready'),
    ended: (worker, how) => vacancies.ended(worker, how),
  })
  const vacancies = createVacancies({ seats, launcher, events, ending })

  function tellAll(message: ToWorker): void {
    for (const worker of launcher.living) worker.send(message)
  }

  function stop(): void {
    stopping.abort()
    vacancies[Symbol.dispose]()
  }

  return {
    connections: seats.connections,
    down: vacancies.tooLong,
    begin: () =>
      startInWaves({ ...options, ...vacancies, atOnce, launch: launcher.launch }).catch(async (error: unknown) => {
        stop()
        for (const worker of launcher.living) worker.kill()
        await Promise.all([...launcher.living].map((worker) => worker.ended))
        throw error
      }),
    tellAll,
    turnUnready() {
      isUnready = true
      tellAll('unready')
    },
    async replace() {
      // Those of this moment: whoever comes meanwhile is new.
      for (const old of seats.all()) if (!ending.aborted) await replaceOne(old, { seats, launcher, vacancies, graceMs })
    },
    async end() {
      stop()
      await Promise.all([...launcher.living].map((worker) => endWithin(worker, graceMs)))
    },
  }
}

interface Replacing {
  readonly seats: Seats
  readonly launcher: Launcher
  readonly vacancies: Vacancies
  readonly graceMs: number
}

/** @throws what the new one could not start for */
async function replaceOne(old: WorkerProcess, { seats, launcher, vacancies, graceMs }: Replacing): Promise<void> {
  const worker = await launcher.launchReady(old.number)
  // It ended meanwhile, and has its place filled as anybody who does.
  if (!seats.has(old)) return worker.send('drain')
  seats.leave(old)
  vacancies.seat(worker)
  old.send('retire')
  await endWithin(old, LIMITS.retireMs + graceMs)
}
