const GROUPS = 8
/** Of an IPv6 address: what one customer of a provider has to themselves is never smaller (RFC 6177). */
const NETWORK_GROUPS = 4

/** What an address counts as where callers are counted: itself, and for IPv6 its /64, which whoever has one address has whole. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [before = [], after] = address.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const gap = after === undefined ? 0 : Math.max(0, GROUPS - before.length - after.length)
  const groups = [...before, ...Array.from({ length: gap }, () => '0'), ...(after ?? [])]
  return `${groups.slice(0, NETWORK_GROUPS).join(':')}::/64`
}

/** Whether this names the very machine: a host name, or an address with or without the brackets of a URL. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1|\[::1\])$/i
