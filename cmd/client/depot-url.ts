import { isLoopback } from '../../src/network.ts'
import { UsageError } from '../cli.ts'

/** What somebody meant who typed the URL of a depot. */
export interface DepotUrl {
  /** The depot's base: no trailing slash in its path, but for the root's own. */
  readonly url: URL
  /** Something that the person should know about what they typed. */
  readonly note?: string
}

/**
 * Read the URL of a depot as people give it. One of an ecosystem's own URLs means the depot that it is of.
 *
 * @throws UsageError for what is no http(s) URL, and for one with credentials: a URL is shown, logged and remembered. The message
 * does not repeat it then.
 */
export function parseDepotUrl(text: string): DepotUrl {
  const url = parsePlainUrl(text, 'a depot')
  const given = url.pathname.replace(/\/+$/, '')
  const base = given.replace(ECOSYSTEM, '')
  const depot = new URL(base === '' ? '/' : base, url)
  return base === given ? { url: depot } : { url: depot, note: `${text} is of the depot at ${depotKey(depot)}` }
}

/** An http(s) URL that can be written anywhere: no credentials, query or fragment. @throws UsageError as `parseDepotUrl` */
export function parsePlainUrl(text: string, what: string): URL {
  // A parser of URLs drops line breaks in silence; whoever writes the text down does not.
  const url = /\p{Cc}/u.test(text) ? null : URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new UsageError(`not the URL of ${what}: it begins with http:// or https://`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new UsageError(
      'no credentials in URLs, please: they are shown and logged. Use an SSH key or DEPOT_AUTH_TOKEN',
    )
  }
  if (url.search !== '' || url.hash !== '') throw new UsageError(`the URL of ${what} has no query and no fragment`)
  if (!HARMLESS.test(url.href)) throw new UsageError(`the URL of ${what} has letters, digits and -._~%/:@+,= only`)
  return url
}

/** How a depot's URL is written and remembered: without a trailing slash. */
export function depotKey(url: URL): string {
  return url.href.replace(/\/$/, '')
}

/** A path below a depot: `below(url, '/npm/')`. */
export function below(url: URL, path: `/${string}`): URL {
  return new URL(`${depotKey(url)}${path}`)
}

/** Whether whoever listens on the way reads along. */
export function isInClear(url: URL): boolean {
  return url.protocol === 'http:' && !isLoopback(url.hostname)
}

/** Said before a token is made for such a depot. */
export const IN_CLEAR = 'depot: this depot speaks plain http: whoever listens on the way has the token too'

/** It is written into lines for a shell and into files of others: quotes, and whatever else ends a word there, have no place in it. */
const HARMLESS = /^[\w.~%:/[\]@+,=-]+$/
const ECOSYSTEM = /\/(?:nix|npm|python(?:\/(?:simple|legacy))?)$/
