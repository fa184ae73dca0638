import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import type { RouteLine } from '../../src/app.ts'
import { SILENT_EVENTS } from '../../src/events.ts'
import { openApp } from './open-app.ts'
import type { ServeConfig } from '../settings/config.ts'

/** Every route of a server and its policy, a line each, in the order in which they are asked. Its own data are not touched. */
export async function routeTable(config: ServeConfig): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'depot-routes-'))
  try {
    const nowhere: ServeConfig = {
      ...config,
      mode: 'monolithic',
      storePath: dir,
      databaseUrl: `sqlite://${path.join(dir, 'depot.db')}`,
      storageType: 'memory',
      stores: undefined,
      redirect: undefined,
      privateKeyFiles: undefined,
      npmPrivateKeyFiles: undefined,
      authFile: undefined,
      nixStore: undefined,
      npmKeyFiles: [],
      npmAdvisories: undefined,
    }
    await using opened = await openApp({ config: nowhere, events: SILENT_EVENTS })
    return table(opened.app.routes)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

function table(routes: readonly RouteLine[]): string {
  const rows = routes.map(({ method, path: pattern, policy, ecosystem }) => [
    policy === 'public' || policy === 'account' ? policy : `${ecosystem}:${policy}`,
    method === 'GET' ? 'GET, HEAD' : method,
    pattern,
  ])
  const [first = 0, second = 0] = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map(([policy = '', method = '', at = '']) => line(policy.padEnd(first), method.padEnd(second), at))
    .join('')
}

function line(...columns: readonly string[]): string {
  return `${columns.join('  ')}\n`
}
