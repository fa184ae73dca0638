import { DepotError } from '../errors.ts'
import { isLoopback } from '../network.ts'
import { remembered } from './negotiate.ts'

/** Where the depot is reachable, as far as it was told. */
export interface Site {
  /** Absolute URL that clients use, without a trailing slash; undefined when unknown. */
  readonly publicUrl?: string
  /** True while only this machine can reach the depot: the Host header is then trusted after a check. */
  readonly loopback: boolean
  /** Host names that are answered beside the public URL's and, on loopback, this machine's; `*` for any. */
  readonly allowedHosts: readonly string[]
}

export interface SiteGuard {
  /**
   * Refuse a Host that is not this depot's: a name that an attacker points at 127.0.0.1 must not reach it (DNS rebinding).
   *
   * @throws DepotError `MISDIRECTED` (421)
   */
  checkHost(host: string | undefined): void
  /**
   * Refuse a write that a web page of another site sends: browsers put that site into Origin, package clients send none.
   *
   * @throws DepotError `FORBIDDEN` (403)
   */
  checkOrigin(method: string, origin: string | undefined, host: string | undefined): void
  /** Absolute base URL for a request with this Host, or undefined when nobody said which it is. */
  baseUrl(host: string | undefined): string | undefined
}

const HOST = /^(?<name>[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

export function guardSite({ publicUrl, loopback, allowedHosts }: Site): SiteGuard {
  const own = publicUrl === undefined ? undefined : new URL(publicUrl)
  const allowed = new Set(
    [...allowedHosts, ...(own === undefined ? [] : [own.hostname])].map((name) => name.toLowerCase()),
  )
  const restricted = (loopback || allowedHosts.length > 0) && !allowed.has('*')

  const permits = remembered((host) => {
    const name = hostName(host)
    if (name === undefined) return false
    return !restricted || allowed.has(name.toLowerCase()) || (loopback && isLoopback(name))
  })

  return {
    checkHost(host) {
      if (!permits(host))
        throw new DepotError('MISDIRECTED', 'this depot does not answer to that Host; see --allowed-host')
    },
    checkOrigin(method, origin, host) {
      if (origin === undefined || SAFE_METHODS.has(method)) return
      if (origin === own?.origin || origin === `http://${host ?? ''}`) return
      throw new DepotError('FORBIDDEN', 'a page of another site may not write to this depot')
    },
    baseUrl(host) {
      if (own !== undefined) return own.href.replace(/\/$/, '')
      return loopback && host !== undefined ? `http://${host}` : undefined
    },
  }
}

function hostName(host: string | undefined): string | undefined {
  return host === undefined ? undefined : HOST.exec(host)?.groups?.['name']
}
