import { Agent, type ClientRequest, type IncomingMessage } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex, Writable } from 'node:stream'

import { LIMITS } from '../limits.ts'

/**
 * An agent whose connections, unless they are encrypted, read into one buffer of their own. What they read goes to Node's HTTP parser as
 * a copy, but for large bodies, which `takeBody` moves from that buffer straight to the client: the parser and fresh memory for each
 * piece cost three times as much as the moving itself.
 */
export function createProxyAgent(tls: boolean): Agent {
  const limits = { keepAlive: true, maxSockets: LIMITS.proxyConnectionsMax }
  // Node hands over all that it has decrypted, also when it was told to stop: that cannot share one buffer.
  if (tls) return new TlsAgent(limits)
  const agent = new Agent(limits)
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    const buffer = Buffer.allocUnsafeSlow(LIMITS.proxyReadBytes)
    const tap: Tap = { take: (bytes) => pass(socket, bytes), held: EMPTY }
    const read = (length: number): boolean => tap.take(buffer.subarray(0, length))
    const ours = { highWaterMark: LIMITS.proxyBufferBytes, onread: { buffer, callback: read } }
    const socket = connect({ ...options, ...ours }, callback) as Socket
    TAPS.set(socket, tap)
    return socket
  }
  return agent
}

/** Where the bytes of a connection go. */
interface Tap {
  /** False stops the reading, until the connection is resumed. The bytes stay as they are until then only. */
  take(bytes: Buffer): boolean
  /** Read behind a head on which nobody has decided. */
  held: Buffer
}

const TAPS = new WeakMap<Duplex, Tap>()
const EMPTY = Buffer.alloc(0)

function pass(socket: Duplex, bytes: Buffer): boolean {
  return socket.push(Buffer.from(bytes))
}

/**
 * Hold back what follows the head of the answer to this request, until `passBody` or `takeBody` says where it goes. The head itself
 * is the parser's.
 */
export function holdBody(request: ClientRequest): void {
  request.once('socket', (socket: Duplex) => awaitHead(socket))
  // Interim answers have heads of their own (RFC 9110 §15.2).
  request.on('information', () => process.nextTick(awaitHead, request.socket))
}

function awaitHead(socket: Duplex | null): void {
  const tap = socket === null ? undefined : TAPS.get(socket)
  if (socket === null || tap === undefined) return
  let before = EMPTY
  tap.take = (bytes) => {
    const seen = Buffer.concat([before, bytes])
    const end = seen.indexOf(END_OF_HEAD)
    if (end === -1) {
      before = seen.subarray(1 - END_OF_HEAD.length)
      return pass(socket, bytes)
    }
    const bodyAt = end + END_OF_HEAD.length - before.byteLength
    tap.held = Buffer.from(bytes.subarray(bodyAt))
    tap.take = (more) => {
      tap.held = Buffer.concat([tap.held, more])
      return false
    }
    pass(socket, bytes.subarray(0, bodyAt))
    return false
  }
  const { held } = tap
  tap.held = EMPTY
  if (held.byteLength === 0 || tap.take(held)) socket.resume()
}

const END_OF_HEAD = '\r\n\r\n'

/** Let the parser have the body. */
export function passBody({ socket }: IncomingMessage): void {
  const tap = TAPS.get(socket)
  if (tap === undefined) return
  afterHead(tap, (held) => {
    tap.take = (bytes) => pass(socket, bytes)
    if (held.byteLength > 0) socket.push(held)
    socket.resume()
  })
}

/**
 * Move a body of `sizeBytes` to its client, past the parser: one piece is read when the one before has left. `done` is called when all
 * have; the connection is of no more use then. When either side goes away before, its own events tell, and `done` is not called.
 *
 * @returns false when the connection is one whose bodies only the parser can have
 */
export function takeBody({ socket }: IncomingMessage, sizeBytes: number, client: Writable, done: () => void): boolean {
  const tap = TAPS.get(socket)
  if (tap === undefined) return false
  let left = sizeBytes
  let leaving = false
  const take: Tap['take'] = (bytes) => {
    // The piece that is leaving has been overwritten: better no body than a wrong one.
    if (leaving) {
      client.destroy()
      return false
    }
    const piece = bytes.subarray(0, left)
    left -= piece.byteLength
    leaving = true
    client.write(piece, (error) => {
      leaving = false
      if (error) return
      if (left === 0) done()
      else socket.resume()
    })
    return false
  }
  afterHead(tap, (held) => {
    tap.take = take
    if (held.byteLength > 0) take(held)
    else socket.resume()
  })
  return true
}

/** The parser is still speaking, and must not be spoken to; and a next request may have the connection soon. */
function afterHead(tap: Tap, go: (held: Buffer) => void): void {
  process.nextTick(() => {
    const { held } = tap
    tap.held = EMPTY
    go(held)
  })
}
