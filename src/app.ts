import { Hono } from 'hono'

import { OPEN_ACCESS, type Access } from './access.ts'
import type { Depot } from './depot.ts'
import { DepotError } from './errors.ts'
import { createGate, type Admitted, type Gate, type RawRequest } from './gate.ts'
import { errorResponse } from './http/error-response.ts'
import { sourceOf } from './http/respond.ts'
import { createRouter, type Mount, type Router } from './http/router.ts'
import { guardSite, type Site, type SiteGuard } from './http/site.ts'
import { MAIN_CACHE } from './kv-store.ts'
import { LIMITS } from './limits.ts'
import { operations, type Lifecycle } from './operations.ts'
import type { DepotRequest, Protocol } from './protocol.ts'

export interface AppOptions {
  readonly depot: Depot
  readonly protocols: readonly Protocol[]
  readonly site: Site
  readonly access?: Access
  readonly lifecycle?: Lifecycle
}

/** The depot as a web-standard application. */
export interface App {
  /** Answer any request. A server passes what only it knows as `arrival`. */
  fetch(request: Request, arrival?: Arrival): Promise<Response>
  readonly gate: Gate
  readonly site: SiteGuard
  readonly depot: Depot
}

/** What a server knows of a request that a `Request` does not say. */
export interface Arrival {
  readonly requestId: string
  readonly address: string
  readonly raw: RawRequest
  readonly body: DepotRequest['body']
  /** Set by a server that sends the bytes of `sourceOf(response)` itself. */
  readonly sendsSources: boolean
}

interface Env {
  Bindings: { arrival?: Arrival }
}

export function createApp({
  depot,
  protocols,
  site,
  access = OPEN_ACCESS,
  lifecycle = { draining: false },
}: AppOptions): App {
  const router = createRouter(mountsOf(depot, [operations(depot.kv, lifecycle), ...protocols]))
  const guard = guardSite(site)
  const gate = createGate({ site: guard, router, access })
  const hono = new Hono<Env>()

  hono.all('*', async (context) => {
    const arrival = context.env?.arrival ?? arrivalOf(context.req.raw)
    const response = await answer(arrival, context.req.raw.headers)
    return arrival.sendsSources ? response : withSource(response)
  })

  async function answer(arrival: Arrival, headers: Headers): Promise<Response> {
    let admitted: Admitted | undefined
    try {
      admitted = await gate.admit(arrival.raw)
      return await admitted.match.route.handle(depotRequest(arrival, headers, admitted, guard))
    } catch (error) {
      if (error instanceof DepotError)
        depot.events.requestRefused(arrival.requestId, error.status, error.code, error.message)
      else depot.events.unexpectedError(arrival.requestId, error)
      return errorResponse(error, admitted?.match.mount.protocol ?? protocolOf(router, arrival.raw.target))
    }
  }

  return {
    fetch: async (request, arrival) => hono.fetch(request, arrival === undefined ? {} : { arrival }),
    gate,
    site: guard,
    depot,
  }
}

function mountsOf(depot: Depot, protocols: readonly Protocol[]): Mount[] {
  return protocols.flatMap((protocol) => {
    const routes = protocol.routes(depot)
    const mount = { path: protocol.mount, protocol, cache: MAIN_CACHE, routes }
    const under = protocol.mount === '/' ? [] : [mount]
    return protocol.root === true ? [...under, { ...mount, path: '' }] : under
  })
}

function depotRequest(
  arrival: Arrival,
  headers: Headers,
  { target, match, principal }: Admitted,
  site: SiteGuard,
): DepotRequest {
  const mount = match.mount.path
  return {
    method: arrival.raw.method,
    params: match.params,
    query: new URLSearchParams(target.query),
    headers,
    cache: match.mount.cache,
    principal,
    address: arrival.address,
    body: arrival.body,
    mount,
    baseUrl() {
      const base = site.baseUrl(arrival.raw.header('host'))
      if (base !== undefined) return base + mount
      throw new DepotError('PUBLIC_URL_UNKNOWN', 'the depot does not know its own address: start it with --public-url')
    },
  }
}

/** For the form of a refusal that came before a route was found: the first words of the raw path, which may not even parse. */
function protocolOf(router: Router, target: string): Protocol | undefined {
  return router.protocolAt(target.slice(1, LIMITS.urlLengthMax).split('/'))
}

/** A request that reached the application without a server: its URL is all there is. */
function arrivalOf(request: Request): Arrival {
  const url = new URL(request.url)
  return {
    requestId: 'in-process',
    address: '',
    raw: {
      method: request.method,
      target: url.pathname + url.search,
      header: (name) => request.headers.get(name) ?? (name === 'host' ? url.host : undefined),
    },
    body: (limitBytes) => limited(request.body ?? [], limitBytes),
    sendsSources: false,
  }
}

async function* limited(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  limitBytes: number,
): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0
  for await (const piece of body) {
    sizeBytes += piece.byteLength
    if (sizeBytes > limitBytes) throw new DepotError('TOO_LARGE', `the body is larger than ${limitBytes} bytes`)
    yield piece
  }
}

/** For callers that know only web standards: the promised bytes as a stream. */
function withSource(response: Response): Response {
  const promised = sourceOf(response)
  if (promised === undefined) return response
  const { source, range } = promised
  async function* bytes(): AsyncGenerator<Uint8Array> {
    await using owned = source
    // A piece is only good until the next one, and a stream keeps several.
    for await (const piece of owned.chunks(range)) yield Uint8Array.from(piece)
  }
  return new Response(ReadableStream.from(bytes()) as ConstructorParameters<typeof Response>[0], response)
}
