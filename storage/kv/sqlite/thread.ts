import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'

import type { BatchWriter, Outcome } from './batch-writer.ts'
import type { ConnectionOptions } from './connection.ts'
import type { WriterRequest } from './sqlite-writer.ts'

/** A thread of this process that writes; it is started by the first batch, and again by the first one after its death. */
export function writerThread(options: Omit<ConnectionOptions, 'readonly'>): BatchWriter {
  let worker: Worker | undefined
  let underWay: PromiseWithResolvers<readonly Outcome[]> | undefined

  function start(): Worker {
    // Beside this file, as source or built.
    const url = new URL(`./sqlite-writer${extname(import.meta.url)}`, import.meta.url)
    const started = new Worker(url, { workerData: options })
    let cause: unknown
    started.on('message', (outcomes: readonly Outcome[]) => {
      const done = underWay
      underWay = undefined
      started.unref() // an idle thread does not keep the process
      done?.resolve(outcomes)
    })
    started.on('error', (error) => (cause = error))
    started.on('exit', () => {
      if (worker === started) worker = undefined
      const lost = underWay
      underWay = undefined
      lost?.reject(cause)
    })
    started.unref()
    return started
  }

  return {
    // Async, because the system may have no thread left: what is thrown here would never be told to whoever waits.
    async apply(writes) {
      if (underWay !== undefined) throw new Error('the writer thread takes one batch at a time')
      worker ??= start()
      worker.postMessage({ writes } satisfies WriterRequest)
      worker.ref()
      underWay = Promise.withResolvers()
      return underWay.promise
    },
    async close() {
      const last = worker
      if (last === undefined) return
      const exit = new Promise((resolve) => last.once('exit', resolve))
      last.ref()
      last.postMessage('close' satisfies WriterRequest)
      await exit
    },
  }
}
