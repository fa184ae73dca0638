import { connect, isIP, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'

import type { SslMode } from './url.ts'

export interface SocketOptions {
  /** A name or an address, or the folder of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly ssl: SslMode
}

/**
 * The socket that postgres.js writes to. Its 3.4.9 kills the process when it writes to a socket that has just closed
 * (porsager/postgres#1154), because it keeps small writes back for one turn of the event loop. This one first says that it
 * failed, swallows what is still written, and only then closes. It has to encrypt by itself: postgres.js would put its own
 * socket around it.
 */
export class SteadySocket extends Duplex {
  #inner: Socket | undefined
  #ready: Promise<void>
  #failed = false
  /** Nobody waits any more for what is being dialled: a server that took the call and says nothing would keep it for ever. */
  #hungUp = new AbortController()

  constructor(options: SocketOptions) {
    super()
    this.#ready = this.#dial(options).catch((error: unknown) => this.#fail(error))
  }

  /** postgres.js says goodbye to, and waits for, a socket that is open. */
  get readyState(): 'open' | 'closed' {
    return this.destroyed ? 'closed' : 'open'
  }

  override _write(bytes: Uint8Array, _encoding: string, done: () => void): void {
    const send = (): void => {
      if (this.#failed || this.#inner === undefined) done()
      // A failed write also closes the socket underneath, and that is where it is noticed.
      else this.#inner.write(bytes, () => done())
    }
    if (this.#inner === undefined) void this.#ready.then(send)
    else send()
  }

  override _read(): void {
    this.#inner?.resume()
  }

  override _final(done: () => void): void {
    this.#inner?.end()
    done()
  }

  override _destroy(_error: Error | null, done: () => void): void {
    this.#failed = true
    this.#hungUp.abort()
    this.#inner?.destroy()
    done()
  }

  async #dial(options: SocketOptions): Promise<void> {
    const inner = await openSocket(options, this.#hungUp.signal)
    inner.on('data', (bytes) => {
      if (!this.push(bytes)) inner.pause()
    })
    inner.on('error', (error) => this.#fail(error))
    inner.on('close', () =>
      this.#fail(Object.assign(new Error('the server closed the connection'), { code: 'ECONNRESET' })),
    )
    this.#inner = inner
    inner.resume() // the look at the server's answer has paused it
  }

  #fail(error: unknown): void {
    if (this.#failed) return
    this.#failed = true
    this.emit('error', error)
    // One turn for what postgres.js kept back, and one for the ROLLBACK that it sends when the statements are rejected.
    setImmediate(() => setImmediate(() => this.destroy()))
  }
}

/** @param hungUp destroys the socket, whether it is open by then or not */
async function openSocket({ host, port, ssl }: SocketOptions, hungUp: AbortSignal): Promise<Socket> {
  const plain = quiet(
    host.startsWith('/')
      ? connect({ path: `${host}/.s.PGSQL.${port}`, signal: hungUp })
      : connect({ host, port, signal: hungUp, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }),
  )
  await event(plain, 'connect')
  if (ssl === 'disable') return plain
  plain.write(SSL_REQUEST)
  const answer = await event(plain, 'data')
  if (answer.equals(WILLING)) {
    // No name is asked for by an address (RFC 6066), but the certificate is held against it: without a host Node compares with localhost.
    const servername = isIP(host) === 0 ? { servername: host } : {}
    const secure = quiet(connectTls({ socket: plain, host, ...servername, rejectUnauthorized: ssl === 'verify-full' }))
    await event(secure, 'secureConnect')
    return secure
  }
  // Anything behind the one letter was not encrypted and could come from someone in between (CVE-2021-23222).
  if (ssl === 'prefer' && answer.equals(UNWILLING)) return plain
  plain.destroy()
  throw Object.assign(new Error(`the server does not encrypt, and sslmode is ${ssl}`), { code: 'ERR_TLS_REFUSED' })
}

const KEEP_ALIVE_MS = 60_000
/** PostgreSQL manual, Message Formats: length 8, code 80877103; the answer is one letter. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const WILLING = Buffer.from('S')
const UNWILLING = Buffer.from('N')

/** Between two waits nobody listens to a socket, and an error that nobody hears ends the process. */
function quiet<S extends Socket>(socket: S): S {
  return socket.on('error', () => {})
}

/** The next event of that name, or a rejection when the socket fails before it. */
function event(socket: Socket, name: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const closed = (): void =>
      fail(Object.assign(new Error('the server closed the connection'), { code: 'ECONNRESET' }))
    const forget = (): void => {
      socket.off(name, succeed)
      socket.off('error', fail)
      socket.off('close', closed)
    }
    const succeed = (value: Buffer): void => {
      forget()
      if (name === 'data') socket.pause()
      resolve(value)
    }
    const fail = (error: Error): void => {
      forget()
      socket.destroy()
      reject(error)
    }
    socket.once(name, succeed)
    socket.once('error', fail)
    socket.once('close', closed)
  })
}
