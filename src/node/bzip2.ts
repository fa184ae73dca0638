import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'

import { DepotError } from '../errors.ts'

/** Messages of the worker: it wants input, has output, is through, or has found damage. */
export type FromWorker =
  | { readonly type: 'need' }
  | { readonly type: 'output'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'done' }
  | { readonly type: 'damaged'; readonly message: string }

/** What the worker is started with: a counter that rises with each message to it, so that it can sleep until one comes. */
export interface WorkerData {
  readonly signal: Int32Array
}

/**
 * Decode bzip2 in a thread of its own: no decoder for it works in pieces, so it must be able to block. The thread asks for each piece of
 * input and waits until each piece of output was taken, so that neither side runs ahead.
 *
 * @throws DepotError `CONTENT_MISMATCH`, and what the input throws
 */
export async function* bunzip2(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const signal = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL(`./bzip2-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: { signal } satisfies WorkerData,
  })
  const input = body[Symbol.asyncIterator]()
  const tell = (message: Uint8Array | null): void => {
    worker.postMessage(message)
    Atomics.add(signal, 0, 1)
    Atomics.notify(signal, 0)
  }
  try {
    for await (const message of messagesOf(worker)) {
      if (message.type === 'done') return
      if (message.type === 'damaged') throw damaged(message.message)
      if (message.type === 'need') {
        const next = await input.next()
        tell(next.done === true ? null : next.value)
      } else {
        yield message.bytes
        tell(null)
      }
    }
  } finally {
    await worker.terminate()
    await input.return?.()
  }
}

/** What a worker says until it ends; its unexpected end is an error. */
async function* messagesOf(worker: Worker): AsyncGenerator<FromWorker> {
  const queue: FromWorker[] = []
  let wake = Promise.withResolvers<void>()
  let failure: unknown
  worker.on('message', (message: FromWorker) => {
    queue.push(message)
    wake.resolve()
  })
  worker.on('error', (error) => {
    failure = error
    wake.resolve()
  })
  worker.on('exit', () => {
    failure ??= new Error('the bzip2 decoder ended')
    wake.resolve()
  })
  while (true) {
    const message = queue.shift()
    if (message !== undefined) yield message
    else if (failure !== undefined) throw failure
    else {
      await wake.promise
      wake = Promise.withResolvers()
    }
  }
}

function damaged(message: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', `the bzip2 data is damaged, cut or followed by something else (${message})`)
}
