import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

/** The raw target of a request, cut once and decoded once. Nothing after this looks at the URL again. */
export interface Target {
  /** Decoded segments without the leading slash: '/a/b%2fc' is ['a', 'b/c'], '/' is ['']. */
  readonly segments: readonly string[]
  /** As it was sent, still encoded. */
  readonly path: string
  readonly query: string
}

/** A request target as its HTTP message spells it (RFC 9112 §3.2.1 origin form). @throws DepotError `BAD_REQUEST` */
export function parseTarget(target: string): Target {
  if (target.length > LIMITS.urlLengthMax) throw new DepotError('BAD_REQUEST', 'the URL is too long', { status: 414 })
  if (!target.startsWith('/')) throw new DepotError('BAD_REQUEST', 'the request target must be a path')
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  const segments = path.slice(1).split('/')
  const plain = PLAIN.test(path) ? segments : segments.map(decodeSegment)
  if (plain.includes('..') || plain.includes('.')) throw new DepotError('INVALID_NAME', 'the path has a dot segment')
  return { segments: plain, path, query: mark === -1 ? '' : target.slice(mark + 1) }
}

/** What needs no decoding and has nothing to refuse. */
const PLAIN = /^[\w\-.~!$&'()*+,;=:@/]*$/
// eslint-disable-next-line no-control-regex -- the point is to refuse them
const REFUSED = /[\u0000-\u001f\u007f\\]/

function decodeSegment(segment: string): string {
  let decoded: string
  try {
    decoded = decodeURIComponent(segment)
  } catch (cause) {
    throw new DepotError('INVALID_NAME', 'the path is not percent-encoded UTF-8', { cause })
  }
  if (REFUSED.test(decoded)) throw new DepotError('INVALID_NAME', 'the path has a control character or a backslash')
  return decoded
}
