import { allProtocols } from '../protocols/index.ts'
import { createApp, type App } from '../src/app.ts'
import { createDepot } from '../src/create-depot.ts'
import type { Depot } from '../src/depot.ts'
import type { Events } from '../src/events.ts'
import type { AccessLog } from '../src/node/access-log.ts'
import { startServer, type RunningServer } from '../src/node/server.ts'
import type { Protocol } from '../src/protocol.ts'
import { openStorage } from '../storage/open.ts'
import type { ServeConfig } from './config.ts'
import { loadSigningKey } from './signing-key.ts'

export interface BootOptions {
  readonly config: ServeConfig
  readonly events: Events
  readonly accessLog?: AccessLog
  /** What to mount, instead of every ecosystem there is. */
  readonly protocols?: (all: readonly Protocol[]) => readonly Protocol[]
  /** Told what an operator should know about where the data lies. */
  readonly warn?: (message: string) => void
}

export interface BootedDepot extends AsyncDisposable {
  readonly depot: Depot
  readonly app: App
  readonly server: RunningServer
  /** Nix public key, `name:base64`. */
  readonly publicKey: string
  /** Address that clients on this machine use. */
  readonly url: string
  /** Turn unready, let running requests finish, close everything. */
  drain(): Promise<void>
}

/** Open the storage, mount the protocols and listen: everything `depot serve` does but talk. */
export async function boot(options: BootOptions): Promise<BootedDepot> {
  const { config, events, accessLog, warn, protocols = (all) => all } = options
  const { blobs, kv } = await openStorage({ ...config, ...(warn === undefined ? {} : { warn }) })
  try {
    const key = await loadSigningKey(config)
    const depot = createDepot({ blobs, kv, events })
    const lifecycle = { draining: false }
    const app = createApp({
      depot,
      protocols: protocols(allProtocols({ signingKeys: [key] })),
      site: {
        loopback: config.loopback,
        allowedHosts: config.allowedHosts,
        ...(config.publicUrl === undefined ? {} : { publicUrl: config.publicUrl }),
      },
      lifecycle,
    })
    const server = await startServer({
      app,
      host: config.host,
      port: config.port,
      graceMs: config.graceMs,
      ...(accessLog === undefined ? {} : { accessLog }),
    })
    const close = async (): Promise<void> => {
      await kv[Symbol.asyncDispose]()
      await blobs[Symbol.asyncDispose]()
    }
    return {
      depot,
      app,
      server,
      publicKey: key.publicKey,
      url: localUrl(server.address),
      async drain() {
        lifecycle.draining = true
        await server.close()
        await close()
      },
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]()
        await close()
      },
    }
  } catch (error) {
    await kv[Symbol.asyncDispose]()
    await blobs[Symbol.asyncDispose]()
    throw error
  }
}

function localUrl({ address, port }: RunningServer['address']): string {
  const host = address === '::' || address === '0.0.0.0' ? '127.0.0.1' : address
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
