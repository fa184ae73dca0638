import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'

import { describe, expect, it } from 'vitest'

import { clientAddress } from '../../../src/node/client-address.ts'

function from(remote: string, forwarded?: string): IncomingMessage {
  const socket = new Socket()
  Object.defineProperty(socket, 'remoteAddress', { value: remote })
  const incoming = new IncomingMessage(socket)
  if (forwarded !== undefined) incoming.headers['x-forwarded-for'] = forwarded
  return incoming
}

describe('clientAddress', () => {
  const behindProxies = clientAddress(['10.0.0.0/8', '::1'])

  it('believes nobody unless told to', () => {
    expect(clientAddress([])(from('10.0.0.1', '203.0.113.9'))).toBe('10.0.0.1')
    expect(behindProxies(from('203.0.113.7', '1.2.3.4'))).toBe('203.0.113.7')
  })

  it('takes the last address that is not a trusted proxy, whatever the client put before it', () => {
    expect(behindProxies(from('10.0.0.1', '203.0.113.9'))).toBe('203.0.113.9')
    expect(behindProxies(from('10.0.0.1', '1.1.1.1, 203.0.113.9, 10.2.3.4'))).toBe('203.0.113.9')
    expect(behindProxies(from('::1', '2001:db8::9'))).toBe('2001:db8::9')
  })

  it('knows an IPv4 address that came over an IPv6 socket', () => {
    expect(behindProxies(from('::ffff:10.0.0.1', '203.0.113.9'))).toBe('203.0.113.9')
    expect(behindProxies(from('::ffff:203.0.113.7'))).toBe('203.0.113.7')
  })

  it('stays with the last good address when the list is not one of addresses', () => {
    expect(behindProxies(from('10.0.0.1', 'unknown'))).toBe('10.0.0.1')
    expect(behindProxies(from('10.0.0.1', 'unknown, 10.0.0.2'))).toBe('10.0.0.2')
    expect(behindProxies(from('10.0.0.1', '"><script>'))).toBe('10.0.0.1')
  })

  it.each(['nginx', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129', ''])('refuses %j as a range', (range) => {
    expect(() => clientAddress([range])).toThrow('neither an address nor a range')
  })
})
