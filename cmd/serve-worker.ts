import { shareAmong } from '../src/worker-share.ts'
import type { FromWorker, ToWorker, WorkerStart } from './workers/messages.ts'
import { startFailureOf } from './workers/start-failure.ts'
import type { Worker } from './workers/worker.ts'

// One of the processes of `depot serve --workers N`, started by it and by nobody else.

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message)
}

// A terminal and systemd signal every process of a server. The parent hears it too, and says what is to be done.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => {})

let worker: Worker | undefined

process.on('message', (message: ToWorker, connection) => {
  if (typeof message === 'object' && 'start' in message) {
    shareAmong(message.start.config.workers)
    void begin(message.start)
  } else if (message === 'pulse') tell('pulse')
  else if (worker !== undefined) worker.hear(message, connection)
  // One that is told to end before it has begun has nothing to close.
  else if (message === 'drain' || message === 'abort' || message === 'retire') process.exit(0)
  // And nothing that it remembers.
  else if (typeof message === 'object' && 'news' in message) tell({ heard: message.id })
})

// Nobody commits and nobody accepts connections any more: finish what runs, and go.
process.on('disconnect', () => {
  if (worker === undefined) process.exit(1)
  worker.orphaned()
})

async function begin(start: WorkerStart): Promise<void> {
  try {
    // Only now: what is loaded asks for its share of the memory.
    const { startWorker } = await import('./workers/worker.ts')
    worker = await startWorker(start, tell, () => process.exit(0))
  } catch (error) {
    process.send?.({ failed: startFailureOf(error) } satisfies FromWorker, () => process.exit(1))
  }
}
