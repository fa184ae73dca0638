import { textResponse } from './http/respond.ts'
import type { KvStore } from './kv-store.ts'
import { route, type Protocol } from './protocol.ts'

/** Whether the process is on its way out: it then finishes what it has and wants nothing new. */
export interface Lifecycle {
  readonly draining: boolean
}

/** Answers for load balancers and people who open the bare address; served at the root beside the ecosystems. */
export function operations(kv: KvStore, lifecycle: Lifecycle): Protocol {
  return {
    name: 'depot',
    mount: '/',
    root: true,
    routes: () => [
      route({ method: 'GET', pattern: '/', action: 'public', handle: () => textResponse(200, WELCOME) }),
      route({ method: 'GET', pattern: '/healthz', action: 'public', handle: () => textResponse(200, 'ok\n') }),
      route({ method: 'GET', pattern: '/readyz', action: 'public', handle: () => ready(kv, lifecycle) }),
    ],
  }
}

const WELCOME = `This is a depot: Nix store paths, npm packages and Python distributions.

  nix copy --to <this URL>/nix ./result
  npm install --registry <this URL>/npm/ <package>
  pip install --index-url <this URL>/python/simple/ <project>
`

async function ready(kv: KvStore, lifecycle: Lifecycle): Promise<Response> {
  if (lifecycle.draining) return textResponse(503, 'draining\n')
  await kv.ping()
  return textResponse(200, 'ready\n')
}
