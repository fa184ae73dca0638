import { extname } from 'node:path'
import { Transform } from 'node:stream'
import { Worker } from 'node:worker_threads'

import { through } from '../codec/through.ts'
import { LIMITS } from '../limits.ts'

/** What goes to the thread: a piece of the file, or its end. */
export type BunzipRequest = Uint8Array | 'end'

/** What comes back: content; that a request was done; or why the file is none. */
export type BunzipReply = Uint8Array | 'done' | { readonly broken: string }

/**
 * Decode a bzip2 file of any number of streams, in a thread of its own: it is the one codec here that runs in JavaScript.
 *
 * @throws DepotError `CONTENT_MISMATCH`
 */
export function decodeBzip2(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  return through(input, new BunzipStream(), 'bzip2')
}

/** A few pieces may be under way to the reader; then the thread waits. Few, because one block can become 46 MB. */
const PIECES_AHEAD = 4

type Callback = (error?: Error | null) => void

class BunzipStream extends Transform {
  readonly #worker: Worker
  readonly #credits = new Int32Array(new SharedArrayBuffer(4))
  /** Pieces that the reader has not asked for yet. */
  #unread = 0
  #callback: Callback | undefined

  constructor() {
    super({ readableHighWaterMark: LIMITS.decoderOutputBytes })
    Atomics.store(this.#credits, 0, PIECES_AHEAD)
    // Beside this file, as source or built.
    const url = new URL(`./bzip2-worker${extname(import.meta.url)}`, import.meta.url)
    this.#worker = new Worker(url, { workerData: this.#credits })
    this.#worker.on('message', (reply: BunzipReply) => this.#onReply(reply))
    this.#worker.on('error', (error) => this.destroy(error))
  }

  override _transform(chunk: Uint8Array, _encoding: BufferEncoding, callback: Callback): void {
    this.#request(chunk, callback)
  }

  override _flush(callback: Callback): void {
    this.#request('end', callback)
  }

  override _read(sizeBytes: number): void {
    this.#grant(this.#unread)
    this.#unread = 0
    super._read(sizeBytes)
  }

  override _destroy(error: Error | null, callback: Callback): void {
    void this.#worker.terminate().then(() => callback(error))
  }

  #request(request: BunzipRequest, callback: Callback): void {
    this.#callback = callback
    this.#worker.postMessage(request)
  }

  #onReply(reply: BunzipReply): void {
    if (this.destroyed) return
    if (reply instanceof Uint8Array) {
      if (this.push(reply)) this.#grant(1)
      else this.#unread++
      return
    }
    const callback = this.#callback
    this.#callback = undefined
    callback?.(reply === 'done' ? null : new Bzip2Failure(reply.broken))
  }

  #grant(count: number): void {
    if (count === 0) return
    Atomics.add(this.#credits, 0, count)
    Atomics.notify(this.#credits, 0)
  }
}

class Bzip2Failure extends Error {
  override readonly name = 'Bzip2Error'
}
