import type { WorkerStart } from './messages.ts'
import { startWorker, type Patience, type Said, type WorkerProcess } from './worker-process.ts'

export interface LauncherOptions {
  /** How a worker starts at this moment. */
  start(number: number): WorkerStart
  hear(said: Said, from: WorkerProcess): void
  /** It can serve, and nobody has made use of it yet. */
  served(worker: WorkerProcess): void
  /** It has ended, whether it ever served or not. */
  ended(worker: WorkerProcess, how: string): void
  /** Aborted when nobody is to be started any more. */
  readonly ending: AbortSignal
  /** `LIMITS` when absent. */
  readonly patience?: Patience
}

/** Starts processes that serve, and knows which of them live. */
export interface Launcher {
  readonly living: ReadonlySet<WorkerProcess>
  /** @throws Error when the server ends */
  launch(number: number): WorkerProcess
  /**
   * Resolves when it can serve; one that cannot is killed.
   *
   * @throws what it could not start for, and Error when the server ends
   */
  launchReady(number: number): Promise<WorkerProcess>
}

export function createLauncher({ start, hear, served, ended, ending, patience }: LauncherOptions): Launcher {
  const living = new Set<WorkerProcess>()

  function launch(number: number): WorkerProcess {
    if (ending.aborted) throw new Error('the server ends')
    const worker = startWorker(start(number), hear, patience)
    living.add(worker)
    // The first to hear of it: whoever launched it comes later.
    worker.ready.then(
      () => served(worker),
      () => {},
    )
    void worker.ended.then((how) => {
      living.delete(worker)
      ended(worker, how)
    })
    return worker
  }

  async function launchReady(number: number): Promise<WorkerProcess> {
    const worker = launch(number)
    try {
      await worker.ready
      return worker
    } catch (error) {
      worker.kill()
      throw error
    }
  }
  return { living, launch, launchReady }
}
