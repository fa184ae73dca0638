import type { AddressInfo } from 'node:net'

/** The address that clients on this machine use for a server that listens there. */
export function localUrl({ address, port }: AddressInfo): string {
  const host = address === '::' || address === '0.0.0.0' ? '127.0.0.1' : address
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
