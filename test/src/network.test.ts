import { describe, expect, it } from 'vitest'

import { isLoopback, networkOf } from '../../src/network.ts'

describe('networkOf', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['', ''],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::ffff', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1:2:3:4', 'fe80:0:0:0::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
  ])('%j counts as %j', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })
})

describe('isLoopback', () => {
  it.each(['localhost', 'LocalHost', '127.0.0.1', '127.1.2.3', '::1', '[::1]'])('is true of %j', (host) => {
    expect(isLoopback(host)).toBe(true)
  })

  it.each(['', '127.1', '127.0.0.1.example', 'localhost.', 'my-localhost', '0.0.0.0', '::', '[::2]', '[::1', '::1]'])(
    'is false of %j',
    (host) => {
      expect(isLoopback(host)).toBe(false)
    },
  )
})
