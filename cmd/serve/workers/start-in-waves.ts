import type { WorkerReady } from './messages.ts'
import type { WorkerProcess } from './worker-process.ts'

export interface WavesOptions {
  readonly count: number
  /** How many of them start side by side. */
  readonly atOnce: number
  launch(number: number): WorkerProcess
  /** It serves. */
  seat(worker: WorkerProcess): void
  /** It hung while it started; another one is to start in its place, later. */
  fillLater(number: number, why: unknown): void
}

/**
 * Start workers, each wave when those of the one before it serve. Returns what one of the first is ready with.
 *
 * @throws what a worker could not start for, and of a first wave that hangs as a whole, that it does
 */
export async function startInWaves({ count, atOnce, launch, seat, fillLater }: WavesOptions): Promise<WorkerReady> {
  let ready: WorkerReady | undefined
  for (let done = 0; done < count; done += atOnce) {
    const wave = Array.from({ length: Math.min(atOnce, count - done) }, (_, index) => launch(done + index + 1))
    const starts = await Promise.all(wave.map(startOf))
    ready ??= starts.find((start) => start.ready !== undefined)?.ready
    if (ready === undefined) throw starts[0]?.late
    for (const [index, worker] of wave.entries()) {
      const late = starts[index]?.late
      if (late === undefined) seat(worker)
      else fillLater(worker.number, late)
    }
  }
  if (ready === undefined) throw new Error('a team of nobody')
  return ready
}

interface Start {
  readonly ready?: WorkerReady
  readonly late?: unknown
}

/** @throws what it could not start for, unless that is that it hung */
async function startOf(worker: WorkerProcess): Promise<Start> {
  try {
    return { ready: await worker.ready }
  } catch (late) {
    if (worker.isHung()) return { late }
    throw late
  }
}
