import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'

import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import type { Write } from './sqlite-commit.ts'
import type { ConnectionOptions } from './sqlite-connection.ts'
import type { Outcome, WriterRequest } from './sqlite-writer.ts'

/** The way to the writer thread. */
export interface WriteQueue extends AsyncDisposable {
  /**
   * Resolves when the write is durable.
   *
   * @throws DepotError what the write meets; `STORAGE_DOWN` when the thread dies, or too much is waiting.
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
 * Hands whatever waits to the thread whenever it is free: alone a write goes at once, under load they share a transaction,
 * with no timer. A thread that died is replaced when the next write comes.
 */
export function openWriteQueue(options: Omit<ConnectionOptions, 'readonly'>): WriteQueue {
  const waiting: Waiting[] = []
  let underWay: readonly Waiting[] = []
  let worker: Worker | undefined
  let draining: Promise<void> | undefined
  let drained: (() => void) | undefined

  function start(): Worker {
    // Beside this file, as source or built.
    const url = new URL(`./sqlite-writer${extname(import.meta.url)}`, import.meta.url)
    const started = new Worker(url, { workerData: options })
    let cause: unknown
    started.on('message', finish)
    started.on('error', (error) => (cause = error))
    started.on('exit', () => {
      if (worker === started) worker = undefined
      giveUp(cause)
    })
    started.unref() // an idle thread does not keep the process
    return started
  }

  function send(): void {
    if (underWay.length > 0) return
    if (waiting.length === 0) {
      worker?.unref()
      drained?.()
      return
    }
    worker ??= start()
    worker.ref()
    underWay = waiting.splice(0, LIMITS.commitsPerBatch)
    worker.postMessage({ writes: underWay.map(({ write }) => write) } satisfies WriterRequest)
  }

  function finish(outcomes: readonly Outcome[]): void {
    const done = underWay
    underWay = []
    // First the next batch: the thread works while these callers go on.
    send()
    done.forEach((one, index) => settle(one, outcomes[index]))
  }

  function giveUp(cause: unknown): void {
    const lost = [...underWay, ...waiting.splice(0)]
    underWay = []
    const error = new DepotError('STORAGE_DOWN', 'the database writer stopped: try again', { cause })
    for (const { reject } of lost) reject(error)
    drained?.()
  }

  function drain(): Promise<void> {
    draining ??= new Promise((resolve) => {
      if (underWay.length === 0) resolve()
      else drained = resolve
    })
    return draining
  }

  async function close(): Promise<void> {
    await drain()
    const last = worker
    if (last === undefined) return
    const exit = new Promise((resolve) => last.once('exit', resolve))
    last.ref()
    last.postMessage('close' satisfies WriterRequest)
    await exit
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
    [Symbol.asyncDispose]: close,
  }
}

function settle({ resolve, reject }: Waiting, outcome: Outcome): void {
  if (outcome === undefined) resolve()
  else if ('bug' in outcome) reject(outcome.bug)
  else reject(new DepotError(outcome.code, outcome.message, { cause: outcome.cause }))
}
