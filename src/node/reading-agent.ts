import { Agent, IncomingMessage } from 'node:http'
import type { Duplex, Readable } from 'node:stream'

import { LIMITS } from '../limits.ts'

/** Sees what a connection brings, in a buffer that is good until it returns, or until the connection is resumed when it paused that. */
type Take = (piece: Uint8Array) => void

const readers = new WeakMap<Duplex, { take?: Take }>()

/**
 * An agent whose connections can be read past Node's parser, which copies every 64 KiB of a body into new memory: half of the time in which
 * an object passes went into that, and into the collector.
 */
export class ReadingAgent extends Agent {
  override createConnection(
    options: Parameters<Agent['createConnection']>[0],
    callback?: Parameters<Agent['createConnection']>[1],
  ): Duplex | null | undefined {
    const reader: { take?: Take } = {}
    const onread = {
      buffer: Buffer.allocUnsafeSlow(LIMITS.s3ReadBytes),
      callback(count: number, buffer: Uint8Array): boolean {
        const piece = buffer.subarray(0, count)
        // What a connection without `onread` does, and all that the parser listens to. It may keep what it gets.
        if (reader.take === undefined) socket?.emit('data', Buffer.from(piece))
        else reader.take(piece)
        return true
      },
    }
    const reading = { ...options, onread }
    const socket = super.createConnection(reading, callback)
    if (socket) readers.set(socket, reader)
    return socket
  }
}

/**
 * Take the body of an answer, of `sizeBytes`, from its connection itself, which is good for nothing else then: nobody but its parser knows
 * where the next answer begins. Undefined where that cannot be, or does not pay.
 *
 * @param whole called behind the last byte; a body that ends before shows as an error of the answer, as ever
 */
export function takeBody(answer: Readable, sizeBytes: number, take: Take, whole: () => void): Duplex | undefined {
  if (!(answer instanceof IncomingMessage) || answer.headers['transfer-encoding'] !== undefined) return undefined
  const { socket } = answer
  const reader = readers.get(socket)
  if (reader === undefined || sizeBytes < LIMITS.s3TakenBytesMin) return undefined
  let left = sizeBytes
  reader.take = (piece) => {
    const part = piece.subarray(0, left)
    left -= part.byteLength
    if (part.byteLength > 0) take(part)
    if (left === 0) whole()
  }
  // What has passed the parser already.
  for (let early: unknown = answer.read(); early instanceof Uint8Array; early = answer.read()) reader.take(early)
  return socket
}
