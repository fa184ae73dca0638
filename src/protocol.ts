import { ANONYMOUS, SOME_NAME, type Action, type Principal, type Resource, type RoutePolicy } from './access.ts'
import type { Depot } from './depot.ts'
import type { DepotError } from './errors.ts'
import type { HeaderList } from './http/header-list.ts'
import type { AuditEntry, BlobRow, Cache, Document, DocumentKey, MaybePromise } from './kv-store.ts'
import type { Held } from './wanted.ts'

/** An ecosystem: how its clients read and write blobs and records. One value, and one line in `protocols/index.ts`. */
export interface Protocol {
  /** CLI noun, grant word and metric label: 'npm'. */
  readonly name: string
  /** Where it is served: '/npm'. */
  readonly mount: `/${string}`
  /**
   * Whether its routes also answer at the root of the server, for clients that are given the bare host. Protocols are asked
   * in the order of `protocols/index.ts`; first segments that the depot reserves reach only those routes that spell them out.
   */
  readonly root?: boolean
  /**
   * Bring the decoded path segments to one form before routes are matched: npm joins `@scope`, `name`; Python drops empty
   * ones. Pure; what it returns is what is authorised and handled.
   */
  normalize?(segments: readonly string[]): readonly string[]
  /** Routes, most specific first. */
  routes(depot: Depot): readonly Route[]
  /**
   * Work on what is stored that a server does beside answering, from its start on until it is done or `stop` says so. Several servers may
   * do it at once. What it throws is told as an event, and the next start tries again.
   */
  tend?(depot: Depot, stop: AbortSignal): Promise<void>
  /** Which of the names that its routes note as `wanted` are to be had by now; with it come the routes that list what is not (wanted-routes.ts). */
  readonly held?: Held
  /** The body of a failure as this ecosystem's clients show it, for the target that was asked for. Without it: the message as plain text. */
  errorBody?(error: DepotError, target: string): { readonly contentType: string; readonly body: string } | undefined
  /** Whether its clients show the reason phrase of a refusal's status line in place of the body; then it is the message. */
  readonly messageInStatusLine?: boolean
}

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH'

/**
 * Parse one decoded path segment: a value, or undefined when the segment is not of this form, so that another route may have
 * it. May throw DepotError `INVALID_NAME` for one that is clearly meant for this route and is malformed.
 */
export type SegmentParser<T> = (segment: string) => T | undefined

export type Params = Readonly<Record<string, SegmentParser<unknown>>>
export type ParamValues<P extends Params> = { readonly [K in keyof P]: Exclude<ReturnType<P[K]>, undefined> }

/** A route as the router knows it; written with `route()`, which ties the types together. */
export interface Route {
  /** GET answers HEAD too. */
  readonly method: Method
  /** '/nar/:file' relative to the mount; each `:name` has a parser in `params`. A trailing slash is significant. */
  readonly pattern: `/${string}`
  readonly params: Params
  readonly action: RoutePolicy
  readonly root?: false
  resource(params: Readonly<Record<string, unknown>>): Resource['name']
  hot?(params: Readonly<Record<string, unknown>>, request: HotRequest): HotRead | undefined
  wanted?(params: Readonly<Record<string, unknown>>): string | undefined
  handle(request: DepotRequest): Promise<Response> | Response
}

export interface RouteDefinition<P extends Params> {
  readonly method: Method
  readonly pattern: `/${string}`
  readonly params?: P
  readonly action: RoutePolicy
  /** Only below the mount, not at the root of the server, where the same words would mean more than one ecosystem. */
  readonly root?: false
  /**
   * The name that a grant is matched against, from the same parsed values the handler gets. Without it: the whole ecosystem.
   * `SOME_NAME` when only the body tells: the handler must then call `authorize` with what it found, before it changes anything.
   */
  readonly resource?: ((params: ParamValues<P>) => string) | typeof SOME_NAME
  /**
   * For a GET that one stored thing answers: which. The server then answers after the same authorisation with one row read,
   * without calling `handle`; when the thing is not there it calls `handle`, which must give an equal answer.
   */
  readonly hot?: (params: ParamValues<P>, request: HotRequest) => HotRead | undefined
  /**
   * For a GET that found nothing: under which name to note that a client wants this, for those who bring things in (wanted.ts). Undefined
   * for what nobody could bring.
   */
  readonly wanted?: (params: ParamValues<P>) => string | undefined
  readonly handle: (request: DepotRequest<ParamValues<P>>) => Promise<Response> | Response
}

/** What a hot route may look at. */
export interface HotRequest {
  readonly cache: Cache
  /** A request header, by its lower-case name. */
  header(name: string): string | undefined
  /** Absolute URL of the protocol's mount, without a trailing slash, or undefined when it is not known. */
  baseUrl(): string | undefined
}

/** One stored thing that answers a GET. */
export type HotRead = HotDocument | HotBlob

export interface HotDocument extends HotCommon {
  readonly document: DocumentKey
  /** What answers when there is no such document; undefined leaves it to the handler. */
  readonly otherwise?: () => MaybePromise<Document | undefined>
}

export interface HotBlob extends HotCommon {
  /** The blob, as far as this cache may give it out. It is sent as it lies in storage, under the entity tag of its stored bytes. */
  readonly blob: () => MaybePromise<BlobRow | undefined>
  /** One that lies there otherwise is left to the handler. */
  readonly encoding: BlobRow['encoding']
  /** Whether a reader may be sent to where the blob lies; never for what the depot makes of others, however it is stored. */
  readonly redirects: boolean
}

interface HotCommon {
  readonly headers: HeaderList
  /** Asked when nothing was found: true when the handler would find nothing either, so that its 404 is the answer. */
  readonly missing?: () => MaybePromise<boolean>
}

/** A request that has been routed and authorised. */
export interface DepotRequest<P = Readonly<Record<string, unknown>>> {
  readonly method: string
  /** Decoded segments of the whole path, the mount's among them. */
  readonly segments: readonly string[]
  readonly params: P
  readonly query: URLSearchParams
  readonly headers: Headers
  readonly cache: Cache
  readonly principal: Principal
  /** Where the client is, as far as that is known. */
  readonly address: string
  /** What the client calls itself, cut to `LIMITS.userAgentCharsMax`. */
  readonly userAgent: string
  /**
   * Decide on a name that only the body told; once for every route whose resource is `SOME_NAME`.
   *
   * @throws DepotError `FORBIDDEN`, `UNAUTHENTICATED` or `NOT_FOUND`, as the router does for names in the URL.
   */
  authorize(name: string): void
  /**
   * Decide on a further action on a name, for a route whose body may ask for more than its address tells: npm takes versions away with
   * the request that also changes owners.
   *
   * @throws DepotError as `authorize` does.
   */
  permit(action: Action, name: string): void
  /**
   * Whether `authorize` would let this name pass; for answers about many names, which leave out those that the caller may not know of.
   * Asking counts as deciding, and nothing is told of what was left out.
   */
  may(name: string): boolean
  /**
   * The body as it arrives, once. It throws DepotError `TOO_LARGE` above `limitBytes` (asked before the first byte when the
   * length is declared) and `BODY_TRUNCATED` when the client goes away.
   */
  body(limitBytes: number): AsyncIterable<Uint8Array>
  /** Path of the protocol's mount as the client sees it, without a trailing slash: '/npm', '' at the root. */
  readonly mount: string
  /**
   * Absolute URL of the protocol's mount, without a trailing slash.
   *
   * @throws DepotError `PUBLIC_URL_UNKNOWN` when the depot listens beyond loopback and was not told its public URL.
   */
  baseUrl(): string
}

/** Who writes, and where to: what a commit needs of a request. */
export type Caller = Pick<DepotRequest, 'cache' | 'principal' | 'address' | 'userAgent'>

/** Stands in the audit log for what a server does by itself. */
export const SERVER: Omit<Caller, 'cache'> = {
  principal: { ...ANONYMOUS, id: 'depot', name: 'depot' },
  address: '',
  userAgent: '',
}

/** A line of the audit log about something that this caller does. */
export function auditEntry(
  { principal, address, userAgent }: Caller,
  done: Pick<AuditEntry, 'action' | 'resource' | 'digest'>,
): AuditEntry {
  return { principal: principal.id, credential: principal.credential, address, userAgent, result: 'done', ...done }
}

/** Define a route whose handler sees the types that its parsers return. */
export function route<const P extends Params = Record<never, never>>(definition: RouteDefinition<P>): Route {
  const { resource = () => '' } = definition
  // The router calls these with the values that `params` produced, so the casts only forget and restore the same types.
  return {
    params: {},
    ...definition,
    resource: resource === SOME_NAME ? () => SOME_NAME : resource,
  } as unknown as Route
}

/** A resource of one ecosystem in one cache. */
export function resourceOf(protocol: Protocol, cache: Cache, name: Resource['name']): Resource {
  return { cache: cache.name, ecosystem: protocol.name, name }
}
