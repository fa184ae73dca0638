import { describe, expect, it } from 'vitest'

import { guardSite } from '../../../src/http/site.ts'

const loopback = guardSite({ loopback: true, allowedHosts: ['depot.test'] })

describe('checkHost', () => {
  it.each(['localhost:8080', '127.0.0.1', '127.1.2.3:1', '[::1]:8080', 'LOCALHOST', 'depot.test:99'])(
    'answers %s on loopback',
    (host) => {
      expect(() => loopback.checkHost(host)).not.toThrow()
    },
  )

  it.each([
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.',
    '10.0.0.1',
    'localhost@evil',
    '',
    undefined,
    'a b',
    '[::2]',
  ])('refuses %s on loopback, as a rebound name would come', (host) => {
    expect(() => loopback.checkHost(host)).toThrow(expect.objectContaining({ status: 421 }))
    // Remembered answers are the same answers.
    expect(() => loopback.checkHost(host)).toThrow(expect.objectContaining({ status: 421 }))
  })

  it('answers any well-formed Host beyond loopback unless names were listed', () => {
    const open = guardSite({ loopback: false, allowedHosts: [] })
    expect(() => open.checkHost('whatever.example')).not.toThrow()
    expect(() => open.checkHost('what ever')).toThrow()
    const listed = guardSite({ loopback: false, allowedHosts: ['a.example'], publicUrl: 'https://b.example/x' })
    expect(() => listed.checkHost('b.example')).not.toThrow()
    expect(() => listed.checkHost('c.example')).toThrow()
  })

  it('answers everything when * is listed', () => {
    expect(() => guardSite({ loopback: true, allowedHosts: ['*'] }).checkHost('c.example')).not.toThrow()
  })
})

describe('checkOrigin', () => {
  it('lets clients write that send no Origin, and pages of the depot itself', () => {
    expect(() => loopback.checkOrigin('PUT', undefined, 'localhost:1')).not.toThrow()
    expect(() => loopback.checkOrigin('PUT', 'http://localhost:1', 'localhost:1')).not.toThrow()
  })

  it.each(['http://evil.example', 'null', 'https://localhost:1', 'http://localhost:2', ''])(
    'refuses a write from %j',
    (origin) => {
      expect(() => loopback.checkOrigin('POST', origin, 'localhost:1')).toThrow(
        expect.objectContaining({ status: 403 }),
      )
    },
  )

  it('lets every page read what is open anyway', () => {
    expect(() => loopback.checkOrigin('GET', 'http://evil.example', 'localhost:1')).not.toThrow()
  })
})

describe('baseUrl', () => {
  it('is the public URL, else the Host on loopback, else unknown', () => {
    const told = guardSite({ loopback: false, allowedHosts: [], publicUrl: 'https://d.example/base/' })
    expect(told.baseUrl('evil.example')).toBe('https://d.example/base')
    expect(loopback.baseUrl('localhost:1')).toBe('http://localhost:1')
    expect(guardSite({ loopback: false, allowedHosts: [] }).baseUrl('localhost:1')).toBeUndefined()
  })
})
