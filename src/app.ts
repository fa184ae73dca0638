import { Hono } from 'hono'

import { OPEN_ACCESS, SOME_NAME, type Access, type RoutePolicy } from './access.ts'
import type { Depot } from './depot.ts'
import { isFull } from './blobs/store-health.ts'
import { DepotError } from './errors.ts'
import { after } from './after.ts'
import { createDenialLog } from './denial-log.ts'
import { createGate, userAgentOf, type Admitted, type Gate, type RawRequest } from './gate.ts'
import { errorResponse, type ErrorAnswer } from './http/error-response.ts'
import { privately } from './http/header-list.ts'
import { sourceOf } from './http/respond.ts'
import { createRouter, type Match, type Mount } from './http/router.ts'
import { guardSite, type Site, type SiteGuard } from './http/site.ts'
import { MAIN_CACHE, type MaybePromise } from './kv-store.ts'
import { operations, type Lifecycle } from './operations.ts'
import type { DepotRequest, Protocol, Route } from './protocol.ts'
import { createReadiness, type Part } from './readiness.ts'
import { createRefusals, type Failed } from './refusals.ts'
import type { Siblings } from './siblings.ts'
import { createWantedNotes, type WantedNotes } from './wanted.ts'
import { wantedRoutes } from './wanted-routes.ts'

export interface AppOptions {
  readonly depot: Depot
  readonly protocols: readonly Protocol[]
  readonly site: Site
  readonly access?: Access
  readonly lifecycle?: Lifecycle
  /** What readiness depends on; without it the database and every store. */
  readonly parts?: readonly Part[]
  /** The other processes of this server, when it has several. */
  readonly siblings?: Siblings
}

/** The depot as a web-standard application. */
export interface App {
  /** Answer any request. A server passes what only it knows as `arrival`. */
  fetch(request: Request, arrival?: Arrival): Promise<Response>
  /** What a request that failed is answered with, once told to the events: for servers that answer without `fetch`. */
  refuse(error: unknown, failed: Failed): ErrorAnswer
  readonly gate: Gate
  readonly site: SiteGuard
  readonly depot: Depot
  /** Flush it before the depot closes. */
  readonly wanted: Pick<WantedNotes, 'flush'>
  /** Every route and its policy, in the order in which they are asked. */
  readonly routes: readonly RouteLine[]
}

/** A route as an operator wants to see it. */
export interface RouteLine {
  readonly method: string
  /** '/npm/:name/-/:file'. */
  readonly path: string
  readonly policy: RoutePolicy
  /** What a grant must name besides the action. */
  readonly ecosystem: string
}

/** What a server knows of a request that a `Request` does not say. */
export interface Arrival {
  readonly requestId: string
  readonly raw: RawRequest
  /** What the gate said, when it has been asked already; a request is admitted once. */
  readonly admission?: Admission
  readonly body: DepotRequest['body']
  /** Set by a server that sends the bytes of `sourceOf(response)` itself. */
  readonly sendsSources: boolean
}

/** What the gate said of a request. */
export type Admission = { readonly admitted: Admitted } | { readonly refused: unknown }

interface Env {
  Bindings: { arrival?: Arrival }
}

export function createApp({
  depot,
  protocols,
  site,
  access = OPEN_ACCESS,
  lifecycle = { draining: false },
  parts = partsOf(depot),
  siblings,
}: AppOptions): App {
  const wanted = createWantedNotes(depot, (ecosystem) => protocols.find(({ name }) => name === ecosystem)?.held)
  const mounts = mountsOf([operations(createReadiness(parts), lifecycle), ...protocols], (protocol) => [
    ...wantedRoutes(depot, wanted, protocol),
    ...protocol.routes(depot),
  ])
  const router = createRouter(mounts)
  const guard = guardSite(site)
  const gate = createGate({ site: guard, router, access, denied: createDenialLog(depot, siblings) })
  const refuse = createRefusals({ depot, router, wanted })
  const hono = new Hono<Env>()

  hono.all('*', async (context) => {
    const arrival = context.env?.arrival ?? arrivalOf(context.req.raw)
    const response = await answer(arrival, context.req.raw.headers)
    return arrival.sendsSources ? response : withSource(response)
  })

  async function answer(arrival: Arrival, headers: Headers): Promise<Response> {
    const admission = arrival.admission ?? (await admit(gate, arrival.raw))
    const admitted = 'admitted' in admission ? admission.admitted : undefined
    try {
      if ('refused' in admission) throw admission.refused
      const { match, open } = admission.admitted
      const response = await handled(depotRequest(arrival, headers, admission.admitted, guard), match)
      if (!open) response.headers.set('Cache-Control', privately(response.headers.get('cache-control')))
      return response
    } catch (error) {
      return errorResponse(refuse(error, { ...arrival, admitted }))
    }
  }

  return {
    fetch: async (request, arrival) => hono.fetch(request, arrival === undefined ? {} : { arrival }),
    refuse,
    gate,
    site: guard,
    depot,
    wanted,
    routes: mounts.flatMap(routeLines),
  }
}

function partsOf({ kv, blobs }: Depot): readonly Part[] {
  const stores = blobs.all.map((store): Part => ({
    name: store.name === '' ? 'store' : `store ${store.name}`,
    kind: 'store',
    async ping() {
      await store.blobs.ping?.()
      const space = await store.blobs.space?.()
      if (space !== undefined && isFull(space)) throw new DepotError('STORAGE_FULL', 'hardly any room is left')
    },
  }))
  return [{ name: 'database', kind: 'database', ping: () => kv.ping() }, ...stores]
}

/** Ask the gate, whatever it says. */
export function admit(gate: Gate, request: RawRequest): MaybePromise<Admission> {
  try {
    const admitted = after(gate.admit(request), (known): Admission => ({ admitted: known }))
    return admitted instanceof Promise ? admitted.catch((refused: unknown) => ({ refused })) : admitted
  } catch (refused) {
    return { refused }
  }
}

/** @throws Error when a route whose name stands in the body changed something without having it authorised. */
async function handled(request: AuthorizedRequest, { route, params }: Match): Promise<Response> {
  const response = await route.handle(request)
  if (response.ok && route.resource(params) === SOME_NAME && !request.authorized())
    throw new Error(`the route ${route.method} ${route.pattern} did not ask who may do this`)
  return response
}

function mountsOf(protocols: readonly Protocol[], routesOf: (protocol: Protocol) => readonly Route[]): Mount[] {
  return protocols.flatMap((protocol) => {
    const routes = routesOf(protocol)
    const mount = { path: protocol.mount, protocol, cache: MAIN_CACHE, routes }
    const under = protocol.mount === '/' ? [] : [mount]
    if (protocol.root !== true) return under
    return [...under, { ...mount, path: '', routes: routes.filter(({ root }) => root !== false) }]
  })
}

function routeLines({ path, protocol, routes }: Mount): RouteLine[] {
  return routes.map(({ method, pattern, action }) => ({
    method,
    path: path + pattern,
    policy: action,
    ecosystem: protocol.name,
  }))
}

interface AuthorizedRequest extends DepotRequest {
  /** Whether `authorize` has let a name pass. */
  authorized(): boolean
}

function depotRequest(
  arrival: Arrival,
  headers: Headers,
  { target, match, principal, authorize, permit, may }: Admitted,
  site: SiteGuard,
): AuthorizedRequest {
  const mount = match.mount.path
  let authorized = false
  return {
    method: arrival.raw.method,
    segments: target.segments,
    params: match.params,
    query: new URLSearchParams(target.query),
    headers,
    cache: match.mount.cache,
    principal,
    address: arrival.raw.address,
    userAgent: userAgentOf(arrival.raw),
    authorize(name) {
      authorize(name)
      authorized = true
    },
    authorized: () => authorized,
    permit,
    may(name) {
      authorized = true
      return may(name)
    },
    body: arrival.body,
    mount,
    baseUrl() {
      const base = site.baseUrl(arrival.raw.header('host'))
      if (base !== undefined) return base + mount
      throw new DepotError('PUBLIC_URL_UNKNOWN', 'the depot does not know its own address: start it with --public-url')
    },
  }
}

/** A request that reached the application without a server: its URL is all there is. */
function arrivalOf(request: Request): Arrival {
  const url = new URL(request.url)
  return {
    requestId: 'in-process',
    raw: {
      address: '',
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
