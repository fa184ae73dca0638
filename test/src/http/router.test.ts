import { describe, expect, it } from 'vitest'

import { createRouter, type Mount } from '../../../src/http/router.ts'
import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { route, type Protocol, type Route } from '../../../src/protocol.ts'

const word = (segment: string): string | undefined => (/^[a-z]+$/.test(segment) ? segment : undefined)
const digits = (segment: string): number | undefined => (/^\d+$/.test(segment) ? Number(segment) : undefined)
const answer = (): Response => new Response(null)

function mount(path: string, routes: readonly Route[], normalize?: Protocol['normalize']): Mount {
  const protocol: Protocol = {
    name: path,
    mount: '/x',
    routes: () => routes,
    ...(normalize === undefined ? {} : { normalize }),
  }
  return { path, protocol, cache: MAIN_CACHE, routes }
}

const numbers = [
  route({ method: 'GET', pattern: '/:n', params: { n: digits }, action: 'read', handle: answer }),
  route({ method: 'PUT', pattern: '/:n', params: { n: digits }, action: 'write', handle: answer }),
  route({ method: 'GET', pattern: '/nar/:n', params: { n: digits }, action: 'read', handle: answer }),
]
const words = [
  route({ method: 'GET', pattern: '/:w', params: { w: word }, action: 'read', handle: answer }),
  route({ method: 'DELETE', pattern: '/:w', params: { w: word }, action: 'delete', handle: answer }),
  route({ method: 'GET', pattern: '/-/ping', action: 'public', handle: answer }),
]
const router = createRouter([mount('/nix', numbers), mount('', numbers), mount('/npm', words), mount('', words)])

describe('createRouter', () => {
  it('finds a route under its mount and at the root, with the values its parsers made', () => {
    expect(router.match('GET', ['nix', '12']).params).toEqual({ n: 12 })
    expect(router.match('GET', ['12']).params).toEqual({ n: 12 })
    expect(router.match('GET', ['npm', 'react']).params).toEqual({ w: 'react' })
    expect(router.match('GET', ['react']).params).toEqual({ w: 'react' })
  })

  it('answers HEAD by GET', () => {
    expect(router.match('HEAD', ['12']).route.method).toBe('GET')
  })

  it('lets a reserved first segment reach only routes that spell it out', () => {
    expect(router.match('GET', ['nar', '1']).route.pattern).toBe('/nar/:n')
    expect(router.match('GET', ['-', 'ping']).route.pattern).toBe('/-/ping')
    for (const reserved of ['nar', 'healthz', 'metrics', 'c', 'python']) {
      expect(() => router.match('GET', [reserved])).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
    }
    expect(router.match('GET', ['npm', 'metrics']).params).toEqual({ w: 'metrics' })
  })

  it('names the methods that are possible when the method is not', () => {
    expect(() => router.match('POST', ['12'])).toThrow(
      expect.objectContaining({ code: 'METHOD_NOT_ALLOWED', headers: { Allow: 'GET, HEAD, PUT' } }),
    )
  })

  it('does not hand a path that one ecosystem knows to the next one', () => {
    const greedy = [
      route({
        method: 'DELETE',
        pattern: '/:any',
        params: { any: (segment: string) => segment },
        action: 'delete',
        handle: answer,
      }),
    ]
    const both = createRouter([mount('', numbers), mount('', greedy)])
    expect(() => both.match('DELETE', ['12'])).toThrow(expect.objectContaining({ code: 'METHOD_NOT_ALLOWED' }))
  })

  it('knows a mount by whole words', () => {
    expect(() => router.match('GET', ['nixx', '12'])).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
    expect(router.protocolAt(['nix', 'x'])?.name).toBe('/nix')
    expect(router.protocolAt(['react'])).toBeUndefined()
  })

  it('matches what normalize returns', () => {
    const joined = createRouter([mount('/j', words, (segments) => [segments.join('')])])
    expect(joined.match('GET', ['j', 'a', 'b']).params).toEqual({ w: 'ab' })
  })

  it('does not register a route without a policy or without a parser', () => {
    const lawless = { ...route({ method: 'GET', pattern: '/x', action: 'read', handle: answer }), action: undefined }
    expect(() => createRouter([mount('/l', [lawless as unknown as Route])])).toThrow('no policy')
    const blind = route({ method: 'GET', pattern: '/:x', action: 'read', handle: answer })
    expect(() => createRouter([mount('/l', [blind])])).toThrow('no parser')
  })
})
