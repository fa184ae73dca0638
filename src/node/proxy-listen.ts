import { chmod, lstat, mkdtemp, rename, rmdir, unlink } from 'node:fs/promises'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import path from 'node:path'

import { DepotError } from '../errors.ts'
import { messageOf, systemCode } from '../thrown.ts'
import { bind } from './bind.ts'

/** Where local clients find the proxy. Nothing else than loopback can be said: it holds its user's right to write. */
export type LocalAddress = { readonly host: '127.0.0.1'; readonly port: number } | { readonly path: string }

/** The place at which a server can be reached. */
export interface Listening {
  readonly url: string
  /** Undefined on a unix socket. */
  readonly port: number | undefined
  /** Remove what a closed server leaves behind. */
  remove(): Promise<void>
}

/**
 * Bind a server to a loopback port, or to a unix socket that only its owner may open (0600). The socket of a proxy that is no more is
 * replaced.
 *
 * @throws DepotError `CONFLICT` when the place is taken
 */
export async function listenLocally(server: Server, address: LocalAddress): Promise<Listening> {
  if ('path' in address) return listenOnSocket(server, path.resolve(address.path))
  await bind(server, address).catch((cause: unknown) => {
    if (systemCode(cause) !== 'EADDRINUSE') throw cause
    throw new DepotError('CONFLICT', `port ${address.port} is taken; choose another with --port, or --port 0 for any`)
  })
  const bound = server.address()
  const port = bound !== null && typeof bound === 'object' ? bound.port : 0
  return { url: `http://127.0.0.1:${port}`, port, remove: async () => {} }
}

async function listenOnSocket(server: Server, file: string): Promise<Listening> {
  await refuseTaken(file)
  // Born in a folder that nobody else can enter, and moved once its mode is set: it is never open, and never half there.
  const folder = await mkdtemp(path.join(path.dirname(file), '.depot-'))
  const born = path.join(folder, 's')
  try {
    await bind(server, { path: born })
    await chmod(born, 0o600)
    await rename(born, file)
  } catch (cause) {
    await unlink(born).catch(() => {})
    throw new DepotError('CONFLICT', `cannot make the socket ${file}: ${messageOf(cause)}`, { cause })
  } finally {
    await rmdir(folder)
  }
  const { ino } = await lstat(file)
  return {
    url: `unix:${file}`,
    port: undefined,
    async remove() {
      // Another proxy may have taken the place since.
      const now = await lstat(file).catch(() => undefined)
      if (now?.ino === ino) await unlink(file)
    },
  }
}

async function refuseTaken(file: string): Promise<void> {
  const found = await lstat(file).catch((cause: unknown) => {
    if (systemCode(cause) === 'ENOENT') return undefined
    throw cause
  })
  if (found === undefined) return
  if (!found.isSocket()) throw new DepotError('CONFLICT', `${file} is there and is no socket`)
  if (!(await isDead(file))) throw new DepotError('CONFLICT', `somebody listens on ${file} already`)
}

function isDead(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(file, () => resolve(false))
    socket.once('error', (error) => resolve(systemCode(error) === 'ECONNREFUSED'))
    socket.once('connect', () => socket.destroy())
  })
}
