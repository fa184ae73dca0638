import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** What a network does to connections that pass; all of it may be changed at any time, and tells on open ones too. */
export interface WireFaults {
  /** Before each piece of an answer is passed on. */
  latencyMs?: number
  /** Of one connection's answers. */
  bytesPerSecond?: number
  /** What happens once that many bytes of answers have passed on a connection. What stalls goes on when this is taken away. */
  after?: { readonly bytes: number; readonly end: 'close' | 'reset' | 'stall' }
  /** New connections are reset at once. */
  refusing?: boolean
  /** Sees each piece that a client sends: `lost` resets its connection before the piece is passed on, `unanswered` behind it. */
  judge?: (sent: Buffer) => 'lost' | 'unanswered' | undefined
}

export interface WireProxy extends AsyncDisposable {
  readonly host: string
  readonly port: number
  readonly faults: WireFaults
  /** Connections that are open now. */
  open(): number
  /** Those that were made so far, and not refused. */
  accepted(): number
  /** Those that were refused so far. */
  refused(): number
  /** Reset those that are open. */
  resetAll(): void
}

/** A proxy that knows only bytes, between any client and the server at `target` (a URL with a port). */
export async function startWireProxy(target: string, faults: WireFaults = {}): Promise<WireProxy> {
  const { hostname, port } = new URL(target)
  const clients = new Set<Socket>()
  let [refused, accepted] = [0, 0]
  const server = createServer({ allowHalfOpen: true }, (client) => {
    client.on('error', () => {})
    if (faults.refusing === true) {
      refused++
      client.resetAndDestroy()
      return
    }
    accepted++
    const upstream = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    upstream.on('error', () => client.resetAndDestroy())
    clients.add(client)
    client.once('close', () => {
      clients.delete(client)
      upstream.destroy()
    })
    const connection: Connection = { client, upstream, muted: false }
    client.on('data', (sent) => send(connection, sent, faults))
    client.once('end', () => upstream.end())
    void answer(connection, faults)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    faults,
    open: () => clients.size,
    accepted: () => accepted,
    refused: () => refused,
    resetAll: () => clients.forEach((client) => client.resetAndDestroy()),
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

interface Connection {
  readonly client: Socket
  readonly upstream: Socket
  /** Its answers are for nobody. */
  muted: boolean
}

function send(connection: Connection, sent: Buffer, { judge }: WireFaults): void {
  const { client, upstream } = connection
  if (connection.muted) return
  const verdict = judge?.(sent)
  if (verdict === 'lost') client.resetAndDestroy()
  if (verdict === 'unanswered') connection.muted = true
  if (verdict === 'lost' || upstream.write(sent)) return
  client.pause()
  upstream.once('drain', () => client.resume())
}

/** Pass on what the server answers, as the faults of the moment allow. */
async function answer(connection: Connection, faults: WireFaults): Promise<void> {
  const { client, upstream } = connection
  let passed = 0
  try {
    for await (const chunk of upstream as AsyncIterable<Buffer>) {
      if (connection.muted) return void client.resetAndDestroy()
      if (faults.latencyMs !== undefined) await sleep(faults.latencyMs)
      if (faults.bytesPerSecond !== undefined) await sleep((chunk.byteLength / faults.bytesPerSecond) * 1000)
      const room = faults.after === undefined ? Infinity : Math.max(0, faults.after.bytes - passed)
      await write(client, chunk.subarray(0, room))
      if (chunk.byteLength > room) {
        if (faults.after?.end === 'close') return client.destroySoon()
        if (faults.after?.end === 'reset') return void client.resetAndDestroy()
        while (faults.after?.end === 'stall' && !client.destroyed) await sleep(STALL_LOOK_MS)
        await write(client, chunk.subarray(room))
      }
      passed += chunk.byteLength
    }
    client.end()
  } catch {
    client.resetAndDestroy()
  }
}

/** How often a stalled connection looks whether it may go on. */
const STALL_LOOK_MS = 10

function write(client: Socket, bytes: Uint8Array): Promise<void> {
  if (bytes.byteLength === 0) return Promise.resolve()
  return new Promise((resolve, reject) => client.write(bytes, (error) => (error ? reject(error) : resolve())))
}
