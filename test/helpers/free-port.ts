import { once } from 'node:events'
import { createServer } from 'node:net'
import process from 'node:process'

/**
 * A port of loopback on which nobody listens at this moment. It lies below those that systems hand out by themselves, and test files
 * that run side by side take from ranges of their own: nobody else gets it before it is used.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < RANGE_PORTS; tries++) {
    const port = FIRST_PORT + ((worker - 1) % RANGES) * RANGE_PORTS + (next++ % RANGE_PORTS)
    if (await isFree(port)) return port
  }
  throw new Error('no port is free')
}

const FIRST_PORT = 20_000
/** Linux hands out 32768 and above. */
const RANGES = 12
const RANGE_PORTS = 1000

const worker = Number(process.env['VITEST_POOL_ID'] ?? '1')
/** Another checkout's tests may run on this host: they begin elsewhere. */
let next = Math.floor(Math.random() * RANGE_PORTS)

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    const listening = once(server, 'listening')
    server.listen(port, '127.0.0.1')
    await listening
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
