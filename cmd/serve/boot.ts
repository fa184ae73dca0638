import { setTimeout as sleep } from 'node:timers/promises'

import type { AccessLog } from '../../src/node/access-log.ts'
import { startServer, type RunningServer } from '../../src/node/server.ts'
import { localUrl } from './local-url.ts'
import { openApp, type OpenedApp, type OpenOptions } from './open-app.ts'

export interface BootOptions extends OpenOptions {
  readonly accessLog?: AccessLog
}

export interface BootedDepot extends Omit<OpenedApp, 'turnUnready' | 'tend'> {
  readonly server: RunningServer
  /** Address that clients on this machine use. */
  readonly url: string
  /** Turn unready, go on for the delay that was asked for, let running requests finish, close everything. */
  drain(): Promise<void>
  /** Wait for nobody: neither for the delay nor for running requests. */
  abort(): void
}

/** Open the storage, mount the protocols and listen: everything `depot serve` does but talk. */
export async function boot(options: BootOptions): Promise<BootedDepot> {
  const { config, accessLog } = options
  const { turnUnready, tend, ...opened } = await openApp(options)
  const close = opened[Symbol.asyncDispose]
  const tending = tend()
  const hurry = new AbortController()
  try {
    const server = await startServer({
      app: opened.app,
      host: config.host,
      port: config.port,
      graceMs: config.graceMs,
      trustedProxies: config.trustedProxies,
      ...(accessLog === undefined ? {} : { accessLog }),
    })
    return {
      ...opened,
      server,
      url: localUrl(server.address),
      async drain() {
        turnUnready()
        if (config.drainDelayMs > 0) {
          // Who keeps connections open finds out with each answer that there are no more behind it.
          void server.retire()
          await sleep(config.drainDelayMs, undefined, { signal: hurry.signal }).catch(() => {})
        }
        // Another server may go on with the work beside answering, however long the answers take.
        await Promise.all([server.close(), tending[Symbol.asyncDispose]()])
        await close()
      },
      abort() {
        hurry.abort()
        server.abort()
      },
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]()
        await tending[Symbol.asyncDispose]()
        await close()
      },
    }
  } catch (error) {
    await tending[Symbol.asyncDispose]()
    await close()
    throw error
  }
}
