import { createHandOver, type HandOver, type Taker } from '../../src/node/hand-over.ts'
import type { Events } from '../../src/events.ts'
import { LIMITS } from '../../src/limits.ts'
import { messageOf } from '../../src/thrown.ts'
import { applyThrough, type WriteQueue } from '../../storage/kv/sqlite-queue.ts'
import type { ToWorker, WorkerReady, WorkerStart } from './messages.ts'
import { createNewsDesk } from './news-desk.ts'
import { startWorker, type Said, type WorkerProcess } from './worker-process.ts'

export interface TeamOptions {
  readonly count: number
  /** How a worker starts at this moment. */
  start(number: number): WorkerStart
  readonly writer: WriteQueue | undefined
  readonly events: Pick<Events, 'workerEnded' | 'connectionMissed'>
  readonly graceMs: number
}

/** The processes that serve. */
export interface Team {
  /** Who gives them connections. */
  readonly connections: HandOver
  /** Rejects when for `LIMITS.workersDownMsMax` none of them could serve, with what the last one could not start for. */
  readonly down: Promise<never>
  /** Start all. @throws what the first one that cannot start says */
  begin(): Promise<WorkerReady>
  /** Send something to everyone who lives. */
  tellAll(message: ToWorker): void
  /** Replace one after another; each old one goes when the new one serves. @throws what a new one could not start for */
  replace(): Promise<void>
  /** Replace no one any more, and wait until all have ended. */
  end(): Promise<void>
}

/** Start, watch and replace processes that serve. */
export function createTeam({ count, start, writer, events, graceMs }: TeamOptions): Team {
  const living = new Set<WorkerProcess>()
  const takers = new Map<WorkerProcess, Taker>()
  const seats = new Map<number, WorkerProcess>()
  const failures = new Map<number, number>()
  const pauses = new Set<NodeJS.Timeout>()
  const connections = createHandOver()
  const news = createNewsDesk(() => living)
  const down = Promise.withResolvers<never>()
  down.promise.catch(() => {})
  let downTimer: NodeJS.Timeout | undefined
  let lastFailure: unknown
  let isEnding = false

  function hear(said: Said, from: WorkerProcess): void {
    if (said === 'taken' || said === 'missed') {
      // Whoever has no room for it would not have accepted it either.
      if (said === 'missed') events.connectionMissed(from.number)
      const taker = takers.get(from)
      if (taker !== undefined) connections.taken(taker)
    } else if ('writes' in said) void write(said.writes, from)
    else if ('news' in said) news.tell(said.news, said.id, from)
    else news.heard(said.heard, from)
  }

  async function write(writes: Extract<Said, { writes: unknown }>['writes'], from: WorkerProcess): Promise<void> {
    if (writer === undefined) throw new Error('a worker has its parent commit, which has no writer')
    from.send({ outcomes: await applyThrough(writer, writes) })
  }

  function launch(number: number): WorkerProcess {
    const worker = startWorker(start(number), hear)
    living.add(worker)
    // What it took, it has said by then.
    void worker.silent.then(() => leave(worker, 'lost'))
    void worker.ended.then((how) => {
      living.delete(worker)
      if (seats.get(number) === worker) lose(worker, how)
    })
    return worker
  }

  function seat(worker: WorkerProcess): void {
    const taker: Taker = (connection) => worker.give(connection)
    seats.set(worker.number, worker)
    takers.set(worker, taker)
    connections.add(taker)
    clearTimeout(downTimer)
    downTimer = undefined
  }

  function leave(worker: WorkerProcess, how: 'remove' | 'lost'): void {
    const taker = takers.get(worker)
    if (taker !== undefined) connections[how](taker)
    if (how === 'lost') takers.delete(worker)
  }

  function lose(worker: WorkerProcess, how: string): void {
    seats.delete(worker.number)
    if (isEnding) return
    const isSteady = performance.now() - worker.startedAt >= LIMITS.workerSteadyMs
    again(worker.number, `ended ${how}`, isSteady ? 0 : undefined)
  }

  /** @param pauseMs before the next try; longer and longer unless told */
  function again(number: number, how: string, pauseMs = nextPause(number)): void {
    events.workerEnded(number, how, pauseMs)
    if (seats.size === 0)
      downTimer ??= setTimeout(() => down.reject(lastFailure ?? new Error(how)), LIMITS.workersDownMsMax)
    const pause = setTimeout(() => {
      pauses.delete(pause)
      void retry(number)
    }, pauseMs)
    pauses.add(pause)
  }

  function nextPause(number: number): number {
    const times = failures.get(number) ?? 0
    failures.set(number, times + 1)
    return Math.min(LIMITS.workerPauseMsMin * 2 ** times, LIMITS.workerPauseMsMax)
  }

  async function retry(number: number): Promise<void> {
    const worker = launch(number)
    try {
      await worker.ready
    } catch (error) {
      worker.kill()
      lastFailure = error
      if (!isEnding) again(number, messageOf(error))
      return
    }
    seat(worker)
    setTimeout(() => {
      if (seats.get(number) === worker) failures.delete(number)
    }, LIMITS.workerSteadyMs).unref()
  }

  async function replaceOne(old: WorkerProcess): Promise<void> {
    const worker = launch(old.number)
    try {
      await worker.ready
    } catch (error) {
      worker.kill()
      throw error
    }
    // It ended meanwhile, and has its place filled as anybody who does.
    if (seats.get(old.number) !== old) return worker.send('drain')
    leave(old, 'remove')
    seat(worker)
    old.send('retire')
    await endIn(old, LIMITS.retireMs + graceMs)
  }

  return {
    connections,
    down: down.promise,
    async begin() {
      const workers = Array.from({ length: count }, (_, index) => launch(index + 1))
      const ready = await Promise.all(workers.map((worker) => worker.ready)).catch(async (error: unknown) => {
        for (const worker of workers) worker.kill()
        await Promise.all(workers.map((worker) => worker.ended))
        throw error
      })
      workers.forEach(seat)
      const [first] = ready
      if (first === undefined) throw new Error('a team of nobody')
      return first
    },
    tellAll: (message) => living.forEach((worker) => worker.send(message)),
    async replace() {
      // Those of this moment: whoever comes meanwhile is new.
      const old = Array.from(seats.values())
      for (const worker of old) if (!isEnding) await replaceOne(worker)
    },
    async end() {
      isEnding = true
      clearTimeout(downTimer)
      for (const pause of pauses) clearTimeout(pause)
      await Promise.all([...living].map((worker) => endIn(worker, graceMs)))
    },
  }
}

/** Wait for the end of a worker that was told to end, and bring it about when it takes too long. */
async function endIn(worker: WorkerProcess, graceMs: number): Promise<void> {
  const timer = setTimeout(() => worker.kill(), graceMs + LIMITS.workerEndMs)
  await worker.ended
  clearTimeout(timer)
}
