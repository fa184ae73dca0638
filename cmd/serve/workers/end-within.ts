import { LIMITS } from '../../../src/limits.ts'
import type { WorkerProcess } from './worker-process.ts'

/** Wait for the end of a worker that was told to end, and bring it about when it takes too long. */
export async function endWithin(worker: WorkerProcess, graceMs: number): Promise<void> {
  const timer = setTimeout(() => worker.kill(), graceMs + LIMITS.workerEndMs)
  await worker.ended
  clearTimeout(timer)
}
