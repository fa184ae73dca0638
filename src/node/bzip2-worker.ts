import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'

import Bunzip from 'seek-bzip'

import type { FromWorker, WorkerData } from './bzip2.ts'

const OUTPUT_BYTES = 256 * 1024

const { signal } = workerData as WorkerData
const port = parentPort
if (port === null) throw new Error('this is a worker')
const parent = port

let seen = 0

/** Say something and sleep until the answer is there. */
function ask(message: FromWorker, transfer: readonly ArrayBuffer[] = []): Uint8Array | null {
  parent.postMessage(message, [...transfer])
  Atomics.wait(signal, 0, seen)
  seen++
  const answer = receiveMessageOnPort(parent) as { message: Uint8Array | null } | undefined
  return answer?.message ?? null
}

let input: Uint8Array = new Uint8Array(0)
let at = 0
let ended = false

function refill(): boolean {
  while (at >= input.byteLength && !ended) {
    const next = ask({ type: 'need' })
    if (next === null) ended = true
    else {
      input = next
      at = 0
    }
  }
  return at < input.byteLength
}

const source = {
  readByte: () => (refill() ? (input[at++] ?? -1) : -1),
  read(target: Uint8Array, offset: number, length: number): number {
    let filled = 0
    while (filled < length && refill()) {
      const piece = input.subarray(at, at + length - filled)
      target.set(piece, offset + filled)
      at += piece.byteLength
      filled += piece.byteLength
    }
    return filled === 0 && length > 0 ? -1 : filled
  },
  eof: () => !refill(),
}

let output = new Uint8Array(OUTPUT_BYTES)
let filled = 0

function flush(): void {
  if (filled === 0) return
  const bytes = output.slice(0, filled)
  filled = 0
  ask({ type: 'output', bytes }, [bytes.buffer])
}

const sink = {
  writeByte(byte: number): void {
    output[filled++] = byte
    if (filled === OUTPUT_BYTES) flush()
  },
  write(bytes: Uint8Array, offset: number, length: number): number {
    for (let index = 0; index < length; index++) sink.writeByte(bytes[offset + index] ?? 0)
    return length
  },
  flush: () => {},
}

try {
  Bunzip.decode(source, sink, true)
  flush()
  parent.postMessage({ type: 'done' } satisfies FromWorker)
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  parent.postMessage({ type: 'damaged', message } satisfies FromWorker)
}
