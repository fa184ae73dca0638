import { ACTIONS, type RoutePolicy } from '../access.ts'
import { DepotError } from '../errors.ts'
import type { Cache } from '../kv-store.ts'
import type { Method, Protocol, Route } from '../protocol.ts'

/** A protocol's routes at one place of the URL space. */
export interface Mount {
  /** '/npm', '/c/team/npm', or '' for the root. */
  readonly path: string
  readonly protocol: Protocol
  readonly cache: Cache
  readonly routes: readonly Route[]
}

export interface Match {
  readonly mount: Mount
  readonly route: Route
  readonly params: Readonly<Record<string, unknown>>
}

/** First segments at the root that no package and no cache may take: only routes that spell them out answer there. */
export const RESERVED: ReadonlySet<string> = new Set(
  'nix npm python c nar log realisations build-trace-v2 debuginfo v1 api _api metrics healthz readyz - _'.split(' '),
)

export interface Router {
  /**
   * The protocol whose mount the path lies under, for the form of an error; at the root the first one that spells its first word out,
   * or undefined.
   */
  protocolAt(segments: readonly string[]): Protocol | undefined
  /**
   * The one route for a method and decoded path.
   *
   * @throws DepotError `NOT_FOUND`, `METHOD_NOT_ALLOWED` with Allow, and `INVALID_NAME` from a route's parser.
   */
  match(method: string, segments: readonly string[]): Match
}

/** @throws Error when a route is malformed: without a policy nothing registers. */
export function createRouter(mounts: readonly Mount[]): Router {
  const byPath = new Map<string, CompiledMount>()
  const atRoot: CompiledMount[] = []
  for (const mount of mounts) {
    const compiled = compileMount(mount)
    if (mount.path === '') atRoot.push(compiled)
    else byPath.set(mount.path, compiled)
  }

  function under(segments: readonly string[]): { mount: CompiledMount; rest: readonly string[] } | undefined {
    // '/npm' and '/c/<cache>/npm': a mount is found by its literal words, never by a prefix of the raw text.
    const depth = segments[0] === 'c' ? 3 : 1
    const mount = byPath.get(`/${segments.slice(0, depth).join('/')}`)
    return mount === undefined ? undefined : { mount, rest: segments.slice(depth) }
  }

  return {
    protocolAt(segments) {
      const [first = ''] = segments
      const spelled = ({ mount }: CompiledMount): boolean =>
        mount.routes.some(({ pattern }) => pattern === `/${first}` || pattern.startsWith(`/${first}/`))
      return (under(segments)?.mount ?? atRoot.find(spelled))?.mount.protocol
    },
    match(method, segments) {
      const found = under(segments)
      const allowed = new Set<string>()
      const match =
        found === undefined
          ? matchRoot(atRoot, method, segments, allowed)
          : matchMount(found.mount, method, found.rest, false, allowed)
      if (match !== undefined) return match
      if (allowed.size === 0) throw new DepotError('NOT_FOUND', 'nothing is served here')
      const allow = [...allowed].join(', ')
      throw new DepotError('METHOD_NOT_ALLOWED', `${method} is not possible here, only ${allow}`, {
        headers: { Allow: allow },
      })
    },
  }
}

function matchRoot(
  mounts: readonly CompiledMount[],
  method: string,
  segments: readonly string[],
  allowed: Set<string>,
): Match | undefined {
  const spelledOut = RESERVED.has(segments[0] ?? '')
  for (const mount of mounts) {
    const match = matchMount(mount, method, segments, spelledOut, allowed)
    if (match !== undefined) return match
    // A path that one ecosystem knows is its own: the next one must not take the write that this one refuses.
    if (allowed.size > 0) return undefined
  }
  return undefined
}

type Part = string | { readonly name: string; readonly parse: (segment: string) => unknown }

interface CompiledRoute {
  readonly route: Route
  readonly method: Method
  readonly parts: readonly Part[]
}

interface CompiledMount {
  readonly mount: Mount
  readonly byLength: ReadonlyMap<number, readonly CompiledRoute[]>
}

function compileMount(mount: Mount): CompiledMount {
  const byLength = new Map<number, CompiledRoute[]>()
  for (const route of mount.routes) {
    const parts = compilePattern(route)
    byLength.set(parts.length, [...(byLength.get(parts.length) ?? []), { route, method: route.method, parts }])
  }
  return { mount, byLength }
}

const POLICIES: readonly string[] = [...ACTIONS, 'account', 'public'] satisfies RoutePolicy[]

function compilePattern(route: Route): readonly Part[] {
  if (!POLICIES.includes(route.action)) throw new Error(`the route ${route.method} ${route.pattern} has no policy`)
  return route.pattern
    .slice(1)
    .split('/')
    .map((part) => {
      if (!part.startsWith(':')) return part
      const name = part.slice(1)
      const parse = Object.hasOwn(route.params, name) ? route.params[name] : undefined
      if (parse === undefined) throw new Error(`the route ${route.pattern} has no parser for ${part}`)
      return { name, parse }
    })
}

function matchMount(
  { mount, byLength }: CompiledMount,
  method: string,
  rawSegments: readonly string[],
  spelledOut: boolean,
  allowed: Set<string>,
): Match | undefined {
  const segments = mount.protocol.normalize?.(rawSegments) ?? rawSegments
  const wanted = method === 'HEAD' ? 'GET' : method
  for (const candidate of byLength.get(segments.length) ?? []) {
    if (spelledOut && typeof candidate.parts[0] !== 'string') continue
    const params = matchParts(candidate.parts, segments)
    if (params === undefined) continue
    if (candidate.method === wanted) return { mount, route: candidate.route, params }
    allowed.add(candidate.method)
    if (candidate.method === 'GET') allowed.add('HEAD')
  }
  return undefined
}

function matchParts(parts: readonly Part[], segments: readonly string[]): Record<string, unknown> | undefined {
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]
    if (typeof part === 'string' && part !== segments[index]) return undefined
  }
  const params: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]
    if (typeof part !== 'object') continue
    const value = part.parse(segments[index] ?? '')
    if (value === undefined) return undefined
    params[part.name] = value
  }
  return params
}
