import { DepotError } from '../errors.ts'
import { parseTarget } from '../http/path.ts'

/** What a local request says of where it comes from. */
export interface LocalRequest {
  readonly httpVersion: string
  readonly host: string | undefined
  readonly origin: string | undefined
  readonly fetchSite: string | undefined
}

/**
 * Let programs of this machine in and keep web pages out: the proxy holds its user's right to write, and any page that the user
 * visits can send requests to loopback. A page cannot hide its Origin, nor a name that was pointed at 127.0.0.1 its Host.
 *
 * @param port where the proxy listens on loopback; undefined on a unix socket, which pages cannot reach under any Host
 * @throws DepotError `MISDIRECTED` (421), `FORBIDDEN` (403), `BAD_REQUEST` (505 for HTTP/1.0, where a cut body looks whole)
 */
export function admitLocal({ httpVersion, host, origin, fetchSite }: LocalRequest, port: number | undefined): void {
  if (httpVersion !== '1.1') throw new DepotError('BAD_REQUEST', 'the proxy speaks HTTP/1.1 only', { status: 505 })
  if (port !== undefined && !localHosts(port).includes((host ?? '').toLowerCase()))
    throw new DepotError('MISDIRECTED', `the proxy answers to the Host 127.0.0.1:${port} only`)
  if (origin !== undefined || (fetchSite !== undefined && !OWN_SITES.includes(fetchSite)))
    throw new DepotError('FORBIDDEN', 'the proxy serves programs, not web pages of other sites')
}

const OWN_SITES = ['none', 'same-origin']

function localHosts(port: number): readonly string[] {
  const names = ['127.0.0.1', 'localhost', '[::1]']
  return names.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]))
}

/**
 * What is lent while the proxy runs must not be made to last: no credentials come of it, nor does anybody else get some. Reading is fine.
 *
 * @throws DepotError `FORBIDDEN` (403)
 */
export function refuseCredentials(method: string, target: string): void {
  const path = parseTarget(target).segments.join('/')
  if (method !== 'GET' && method !== 'HEAD' && CREDENTIALS.test(path))
    throw new DepotError(
      'FORBIDDEN',
      "the proxy makes and approves no credentials: use 'depot token' and 'depot login'",
    )
}

/** The depot's own API, and npm's names for the same, wherever npm is mounted. */
const CREDENTIALS = /(?:^|\/)-\/(?:tokens|logins|npm\/v1\/tokens)(?:\/|$)/

/** A request target below the depot's own path. */
export interface OnwardTarget {
  /** Without the query: what a login is bound to. */
  readonly path: string
  readonly pathAndQuery: string
}

/**
 * Where a local request target goes: below `prefix`, byte for byte, and never out of it.
 *
 * @param prefix path of the depot's URL without its trailing slash
 * @throws DepotError `BAD_REQUEST` for anything but a path, `INVALID_NAME` for dot segments however they are encoded
 */
export function onwardTarget(prefix: string, target: string): OnwardTarget {
  const { segments, path, query } = parseTarget(target)
  // Whatever stands behind may decode an encoded slash, or decode twice, and only then resolve the dots.
  if (segments.some((segment) => DOTS.test(segment) || ENCODED.test(segment)))
    throw new DepotError('INVALID_NAME', 'the path has an encoded dot segment')
  const onward = prefix + path
  return { path: onward, pathAndQuery: target.length > path.length ? `${onward}?${query}` : onward }
}

const DOTS = /(?:^|\/)\.\.?(?:;[^/]*)?(?:\/|$)/
const ENCODED = /%(?:2[ef]|5c)/i
