import { BlockList, isIP } from 'node:net'

import { isLoopback } from '../../src/network.ts'
import type { Environment } from '../environment.ts'
import { hostOf } from './certificates.ts'
import type { ClientContext } from './client-context.ts'
import { fail, ok, warn, type Finding } from './finding.ts'
import { shellWord } from './shell-word.ts'

/** Variables that send clients somewhere else. */
export async function checkProxy({ url, env }: ClientContext): Promise<readonly Finding[]> {
  const diverted = proxyVariable(url, env)
  if (diverted === undefined) return [ok('clients go there directly')]
  const host = hostOf(url)
  const list = [env['no_proxy'] ?? env['NO_PROXY'] ?? '', isLoopback(host) ? '127.0.0.1,localhost,::1' : host]
  const value = shellWord(list.filter((part) => part !== '').join(','))
  const fix = `export no_proxy=${value} NO_PROXY=${value}`
  const sentence = `${diverted} sends what is meant for ${host} to a proxy`
  return [
    isLoopback(host)
      ? fail(`${sentence}, which has another ${host}`, fix)
      : warn(`${sentence}: nix, npm and pip go that way`, fix),
  ]
}

/** The variable that curl, Python or Node would obey for this address, if there is one. Pure. */
export function proxyVariable(url: URL, env: Environment): string | undefined {
  const scheme = url.protocol.slice(0, -1)
  const names = [`${scheme}_proxy`, `${scheme}_proxy`.toUpperCase(), 'all_proxy', 'ALL_PROXY']
  const name = names.find((each) => (env[each] ?? '') !== '')
  if (name === undefined) return undefined
  // Some read the one, some the other: both must let it through.
  const lists = [env['no_proxy'], env['NO_PROXY']].filter((list) => list !== undefined)
  const passes = lists.length > 0 && lists.every((list) => isExcepted(hostOf(url), list))
  return passes ? undefined : name
}

function isExcepted(host: string, list: string): boolean {
  return list.split(/[\s,]+/).some((entry) => {
    const name = entry.replace(/^\*?\./, '').replace(/^\[|\]$/g, '')
    if (entry === '*' || name === host) return true
    if (isIP(host) !== 0) return entry.includes('/') && inRange(host, entry)
    return name !== '' && host.endsWith(`.${name}`)
  })
}

function inRange(host: string, range: string): boolean {
  const [network = '', bits = ''] = range.split('/')
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4'
  if (isIP(network) !== isIP(host) || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 'ipv6' ? 128 : 32))
    return false
  const block = new BlockList()
  block.addSubnet(network, Number(bits), family)
  return block.check(host, family)
}
