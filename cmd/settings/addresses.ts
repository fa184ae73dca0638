import { clientAddress } from '../../src/node/client-address.ts'
import { messageOf } from '../../src/thrown.ts'
import { UsageError } from '../cli.ts'

const LISTEN_ADDR = /^(?:\[(?<six>[0-9a-f:.]+)\]|(?<name>[a-z0-9.-]*)):(?<port>\d{1,5})$/i

/** `127.0.0.1:8080`, `[::1]:8080`, or `:8080` for every address. @throws UsageError */
export function parseListenAddr(text: string): { readonly host: string | undefined; readonly port: number } {
  const groups = LISTEN_ADDR.exec(text)?.groups
  const port = Number(groups?.['port'] ?? NaN)
  if (groups === undefined || port > 65_535)
    throw new UsageError(`--listen-addr takes HOST:PORT or :PORT, not '${text}'`)
  const host = groups['six'] ?? groups['name'] ?? ''
  return { host: host === '' ? undefined : host, port }
}

/** The URL at which clients reach this depot, without a slash at its end. @throws UsageError */
export function publicUrlOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const url = URL.parse(text)
  const plain =
    url !== null &&
    ['http:', 'https:'].includes(url.protocol) &&
    url.username === '' &&
    url.search === '' &&
    url.hash === ''
  if (!plain) throw new UsageError(`--public-url takes an http(s) URL without credentials or query, not '${text}'`)
  return url.href.replace(/\/$/, '')
}

/** Origins that logins are made for: that of the public URL, and further ones. @throws UsageError */
export function audiencesOf(publicUrl: string | undefined, more: readonly string[]): readonly string[] {
  const own = publicUrl === undefined ? [] : [new URL(publicUrl).origin]
  return [...own, ...more.map(audienceOf)]
}

function audienceOf(text: string): string {
  const url = URL.parse(text)
  if (url === null || !['http:', 'https:'].includes(url.protocol) || text.replace(/\/$/, '') !== url.origin)
    throw new UsageError(`--audience takes an origin like https://depot.example.org, not '${text}'`)
  return url.origin
}

/** Addresses and ranges of reverse proxies, as they were given. @throws UsageError */
export function trustedProxiesOf(ranges: readonly string[]): readonly string[] {
  try {
    clientAddress(ranges)
    return ranges
  } catch (error) {
    throw new UsageError(`--trusted-proxy: ${messageOf(error)}`)
  }
}
