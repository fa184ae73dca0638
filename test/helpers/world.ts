import { createApp, type App } from '../../src/app.ts'
import { createDepot, type Depot } from '../../src/depot.ts'
import { SILENT_EVENTS, type Events } from '../../src/events.ts'
import type { Site } from '../../src/http/site.ts'
import { startServer, type RunningServer } from '../../src/node/server.ts'
import type { Protocol } from '../../src/protocol.ts'
import { openStorage } from '../../storage/open.ts'
import { tempDir } from './temp-dir.ts'

export interface World extends AsyncDisposable {
  readonly url: string
  readonly depot: Depot
  readonly app: App
  readonly server: RunningServer
  readonly dir: string
  /** What went wrong without being expected; a test that means no bug checks that it is empty. */
  readonly bugs: readonly unknown[]
  fetch(path: string, init?: RequestInit): Promise<Response>
}

export interface WorldOptions {
  readonly blobs?: 'fs' | 'memory'
  readonly databaseUrl?: string
  readonly protocols?: readonly Protocol[]
  /** Mounted behind the others. */
  readonly extraProtocols?: readonly Protocol[]
  readonly site?: Partial<Site>
}

/** The real server in this process, on a free port, over SQLite and files in a temporary folder. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const dir = await tempDir('world')
  const bugs: unknown[] = []
  const events: Events = { ...SILENT_EVENTS, unexpectedError: (_id, error) => void bugs.push(error) }
  const { blobs, kv } = await openStorage({
    storePath: dir.path,
    databaseUrl: options.databaseUrl ?? `sqlite://${dir.join('depot.db')}`,
    storageType: options.blobs ?? 'fs',
  })
  const depot = createDepot({ blobs, kv, events })
  const app = createApp({
    depot,
    protocols: [...(options.protocols ?? (await defaultProtocols())), ...(options.extraProtocols ?? [])],
    site: { loopback: true, allowedHosts: [], ...options.site },
  })
  const server = await startServer({ app, host: '127.0.0.1', port: 0 })
  const url = `http://127.0.0.1:${server.address.port}`
  return {
    url,
    depot,
    app,
    server,
    dir: dir.path,
    bugs,
    fetch: (path, init) => fetch(url + path, init),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await kv[Symbol.asyncDispose]()
      await blobs[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}

async function defaultProtocols(): Promise<readonly Protocol[]> {
  const { allProtocols } = await import('../../protocols/index.ts')
  const { generateSecretKey, parseSecretKey } = await import('../../protocols/nix/signing.ts')
  return allProtocols({ signingKeys: [parseSecretKey(generateSecretKey('test-1'))] })
}
