import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

const MAPPED = /^::ffff:(?=\d+\.)/i

/**
 * How to tell where a client is. Behind trusted proxies it is the last address of X-Forwarded-For that is not itself a trusted proxy:
 * what stands before it is the client's own word.
 *
 * @param trusted addresses or CIDR ranges
 * @throws Error for one that is neither
 */
export function clientAddress(trusted: readonly string[]): (incoming: IncomingMessage) => string {
  const proxies = blockList(trusted)
  return ({ socket, headers }) => {
    const nearest = plain(socket.remoteAddress ?? '')
    const forwarded = headers['x-forwarded-for']
    if (trusted.length === 0 || forwarded === undefined || !contains(proxies, nearest)) return nearest
    const hops = String(forwarded)
      .split(',')
      .map((hop) => plain(hop.trim()))
    let client = nearest
    // Whoever sends something else than addresses is not believed beyond the last good one.
    for (let hop = hops.pop(); hop !== undefined && isIP(hop) !== 0; hop = hops.pop()) {
      client = hop
      if (!contains(proxies, hop)) break
    }
    return client
  }
}

/** One address, whatever kind of socket it came over. */
function plain(address: string): string {
  return address.replace(MAPPED, '')
}

/**
 * Whether an address is among some.
 *
 * @param ranges addresses or CIDR ranges
 * @throws Error for one that is neither
 */
export function addressSet(ranges: readonly string[]): (address: string) => boolean {
  const list = blockList(ranges)
  return (address) => contains(list, plain(address))
}

function contains(list: BlockList, address: string): boolean {
  const version = isIP(address)
  return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4')
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) addRange(list, range)
  return list
}

function addRange(list: BlockList, range: string): void {
  const [address = '', prefix, ...rest] = range.split('/')
  const version = isIP(address)
  const bits = version === 6 ? 128 : 32
  if (version === 0 || rest.length > 0 || (prefix !== undefined && !isPrefix(prefix, bits)))
    throw new Error(`'${range}' is neither an address nor a range like 10.0.0.0/8`)
  list.addSubnet(address, prefix === undefined ? bits : Number(prefix), version === 6 ? 'ipv6' : 'ipv4')
}

function isPrefix(text: string, bits: number): boolean {
  return /^\d{1,3}$/.test(text) && Number(text) <= bits
}
