import { dateHeader } from './clock.ts'
import { weightsOf } from './http/negotiate.ts'
import { jsonResponse, textResponse } from './http/respond.ts'
import { LIMITS } from './limits.ts'
import { route, type DepotRequest, type Protocol } from './protocol.ts'
import type { Checked, Readiness } from './readiness.ts'

/** Whether the process is on its way out: it then finishes what it has and wants nothing new. */
export interface Lifecycle {
  readonly draining: boolean
}

/** Answers for load balancers and people who open the bare address; served at the root beside the ecosystems. */
export function operations(readiness: Readiness, lifecycle: Lifecycle): Protocol {
  return {
    name: 'depot',
    mount: '/',
    root: true,
    routes: (depot) => [
      route({ method: 'GET', pattern: '/', action: 'public', handle: () => textResponse(200, WELCOME) }),
      route({
        method: 'GET',
        pattern: '/healthz',
        action: 'public',
        handle: () => textResponse(200, 'ok\n', dateHeader(depot)),
      }),
      route({
        method: 'GET',
        pattern: '/readyz',
        action: 'public',
        handle: async ({ headers }) => ready(await stateOf(readiness, lifecycle), headers),
      }),
    ],
  }
}

const WELCOME = `This is a depot: Nix store paths, npm packages and Python distributions.

  nix copy --to <this URL>/nix ./result
  npm install --registry <this URL>/npm/ <package>
  pip install --index-url <this URL>/python/simple/ <project>
`

/** How a server is, as `/readyz` tells it. */
interface State {
  readonly status: 'ready' | 'not ready' | 'draining'
  readonly parts: Checked['parts']
}

async function stateOf(readiness: Readiness, { draining }: Lifecycle): Promise<State> {
  // On its way out it is of no interest how anything is, and the answer had better not wait for it.
  if (draining) return { status: 'draining', parts: [] }
  const { isReady, parts } = await readiness.check()
  return { status: isReady ? 'ready' : 'not ready', parts }
}

/** For load balancers the status, for people and programs the parts that are down. */
function ready(state: State, headers: DepotRequest['headers']): Response {
  const own = { 'Cache-Control': 'no-store', Vary: 'Accept' }
  const retry = state.status === 'ready' ? {} : { 'Retry-After': String(LIMITS.readinessSharedMs / 1000) }
  const status = state.status === 'ready' ? 200 : 503
  const weights = weightsOf(headers.get('accept') ?? '')
  if ((weights.get('application/json') ?? 0) > (weights.get('text/plain') ?? 0))
    return jsonResponse(status, state, { ...own, ...retry })
  const down = state.parts.filter(({ state: how }) => how !== 'ok').map(({ name, state: how }) => `${name}: ${how}\n`)
  return textResponse(status, `${state.status}\n${down.join('')}`, { ...own, ...retry })
}
