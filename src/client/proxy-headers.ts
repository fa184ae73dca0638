import { weightsOf } from '../http/negotiate.ts'

/** Headers as Node gives and takes them: name, value, name, value. */
export type RawHeaders = readonly string[]

/** A request on its way from a local client to the depot. */
export interface OnwardRequest {
  readonly method: string
  readonly headers: RawHeaders
  /** `host[:port]` of the depot. */
  readonly host: string
  readonly authorization: string | undefined
}

/**
 * The headers of a local request as the depot gets them: its own hop's are dropped (RFC 9110 §7.6.1), and so is what only this proxy
 * may say: who calls, and for whom. A body without a length goes on in chunks.
 */
export function onwardHeaders({ method, headers, host, authorization }: OnwardRequest): readonly string[] {
  const onward = endToEnd(headers, (name) => OURS.has(name) || name.startsWith('x-forwarded-'))
  onward.push('Host', host)
  if (authorization !== undefined) onward.push('Authorization', authorization)
  onward.push('Accept-Encoding', takesGzip(headers) ? 'gzip' : 'identity')
  const length = valueOf(headers, 'content-length') ?? (BODYLESS.has(method) ? undefined : '0')
  if (isChunked(headers)) onward.push('Transfer-Encoding', 'chunked')
  else if (length !== undefined) onward.push('Content-Length', length)
  return onward
}

/** Dropped here and said anew. The length too: a Connection header that names it must not unframe a body. */
const OURS = new Set(['host', 'authorization', 'cookie', 'forwarded', 'x-real-ip', 'accept-encoding', 'content-length'])
const BODYLESS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])

/** True when a request with these headers has a body (RFC 9112 §6.3). */
export function hasBody(headers: RawHeaders): boolean {
  return isChunked(headers) || Number(valueOf(headers, 'content-length') ?? 0) > 0
}

/** Which addresses take the place of which. */
export interface Rewriting {
  /** URL of the depot without a trailing slash. */
  readonly target: string
  /** URL of the proxy as the client knows it, without a trailing slash. */
  readonly base: string
}

/** The headers of the depot's answer as the client gets them. A Location in the depot points into the proxy; another one stays. */
export function answerHeaders(
  headers: RawHeaders,
  { target, base }: Rewriting,
  asked: { readonly path: string; readonly bodyChanges: boolean },
): readonly string[] {
  const answer = endToEnd(headers, (name) => name === 'set-cookie' || (asked.bodyChanges && OF_THE_BODY.has(name)))
  return answer.map((value, at) => {
    const name = at % 2 === 0 ? '' : (answer[at - 1] ?? '').toLowerCase()
    if (name === 'location') return locationOf(value, { target, base }, asked.path)
    // The same document, but other bytes: the validator still compares, and no longer promises more.
    if (name === 'etag' && asked.bodyChanges && !value.startsWith('W/')) return `W/${value}`
    return value
  })
}

const OF_THE_BODY = new Set(['content-length', 'content-encoding', 'accept-ranges'])

function locationOf(value: string, { target, base }: Rewriting, path: string): string {
  const asked = new URL(target).origin + path
  if (!URL.canParse(value, asked)) return value
  const { href } = new URL(value, asked)
  if (isBelow(href, target)) return base + href.slice(target.length)
  // A path of the depot's host outside the depot: the client would look for it in the proxy.
  return URL.canParse(value) ? value : href
}

function isBelow(href: string, target: string): boolean {
  return href.startsWith(target) && ['', '/', '?', '#'].includes(href.charAt(target.length))
}

/** Of this connection only (RFC 9110 §7.6.1), and the older names for it. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function endToEnd(headers: RawHeaders, drops: (name: string) => boolean): string[] {
  const listed = new Set(listOf(valueOf(headers, 'connection')))
  const kept: string[] = []
  for (const [name, value] of pairs(headers)) {
    const lower = name.toLowerCase()
    if (!HOP_BY_HOP.has(lower) && !listed.has(lower) && !drops(lower)) kept.push(name, value)
  }
  return kept
}

/** The values of one header, joined; undefined when it is not there. */
export function valueOf(headers: RawHeaders, wanted: string): string | undefined {
  const values = [...pairs(headers)].filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value)
  return values.length === 0 ? undefined : values.join(', ')
}

function* pairs(headers: RawHeaders): Generator<readonly [string, string]> {
  for (let at = 0; at + 1 < headers.length; at += 2) yield [headers[at] ?? '', headers[at + 1] ?? '']
}

function listOf(value = ''): readonly string[] {
  return value.split(',').map((item) => item.trim().toLowerCase())
}

function isChunked(headers: RawHeaders): boolean {
  return valueOf(headers, 'transfer-encoding') !== undefined
}

/** The one coding that the proxy itself undoes: what it must change has to be readable. */
function takesGzip(headers: RawHeaders): boolean {
  return (weightsOf(valueOf(headers, 'accept-encoding') ?? '').get('gzip') ?? 0) > 0
}
