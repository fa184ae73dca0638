import { parentPort, workerData } from 'node:worker_threads'

import { Bzip2Error, createBunzip } from '../codec/bzip2.ts'
import type { BunzipReply, BunzipRequest } from './bzip2.ts'

if (parentPort !== null) serve(parentPort, workerData as Int32Array)

function serve(port: NonNullable<typeof parentPort>, credits: Int32Array): void {
  const reply = (message: BunzipReply, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer)
  const bunzip = createBunzip((bytes) => {
    waitForCredit(credits)
    reply(bytes, [bytes.buffer])
  })
  port.on('message', (request: BunzipRequest) => {
    try {
      if (request === 'end') bunzip.end()
      else bunzip.push(request)
      reply('done')
    } catch (error) {
      if (!(error instanceof Bzip2Error)) throw error
      reply({ broken: error.message })
    }
    if (request === 'end') port.close()
  })
}

/** Block until the reader takes one more piece: decoding on would pile up in memory. */
function waitForCredit(credits: Int32Array): void {
  for (;;) {
    const left = Atomics.load(credits, 0)
    if (left > 0 && Atomics.compareExchange(credits, 0, left, left - 1) === left) return
    if (left <= 0) Atomics.wait(credits, 0, left)
  }
}
