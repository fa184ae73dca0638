import { shareAmong } from '../../src/worker-share.ts'
import type { FromWorker, ToWorker, WorkerStart } from './workers/messages.ts'
import type { Worker } from './workers/worker.ts'

// One of the processes of `depot serve --workers N`, started by it and by nobody else.

function tell(message: FromWorker, told: () => void = () => {}): void {
  // To a parent that was just killed nothing can be said; without a callback that ends this process in the middle of its answers.
  if (process.connected) process.send?.(message, told)
  else told()
}

// A terminal and systemd signal every process of a server. The parent hears it too, and says what is to be done.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => {})

let worker: Promise<Worker> | undefined

process.on('message', (message: ToWorker, connection) => {
  if (typeof message === 'object' && 'start' in message) worker = begin(message.start)
  else if (message === 'pulse') tell('pulse')
  // In the order of their coming, also those that come while the code of a worker is loaded.
  else void worker?.then(({ hear }) => hear(message, connection))
})

// Nobody commits and nobody accepts connections any more: finish what runs, and go.
process.on('disconnect', () => {
  if (worker === undefined) process.exit(1)
  void worker.then(({ orphaned }) => orphaned())
})

async function begin(start: WorkerStart): Promise<Worker> {
  shareAmong(start.config.workers)
  // Only now: what is loaded asks for its share of the memory.
  const { startWorker } = await import('./workers/worker.ts')
  return startWorker(start, tell, (status) => process.exit(status))
}
