import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { toy } from '../fixtures/toy-protocol.ts'
import { exchange, rawRequest } from '../helpers/raw-http.ts'
import { startWorld, type World } from '../helpers/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ protocols: [toy] })
})
afterAll(() => world[Symbol.asyncDispose]())

const SMUGGLED = 'PUT /notes/smuggled HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx'

/** A PUT whose framing headers are given, with a second request hidden in its body. */
function hiding(framing: string, body: string): string {
  return `PUT /notes/cover HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n${body}`
}

describe('a request that hides another', () => {
  it.each([
    ['both lengths', hiding('Content-Length: 4\r\nTransfer-Encoding: chunked', `0\r\n\r\n${SMUGGLED}`)],
    [
      'both lengths, the other way round',
      hiding('Transfer-Encoding: chunked\r\nContent-Length: 4', `0\r\n\r\n${SMUGGLED}`),
    ],
    ['two lengths', hiding('Content-Length: 1\r\nContent-Length: 90', `x${SMUGGLED}`)],
    ['two lengths in one line', hiding('Content-Length: 1, 90', `x${SMUGGLED}`)],
    ['a negative length', hiding('Content-Length: -1', SMUGGLED)],
    ['a signed length', hiding('Content-Length: +1', `x${SMUGGLED}`)],
    ['a hexadecimal length', hiding('Content-Length: 0x1', `x${SMUGGLED}`)],
    ['a length too large for a number', hiding('Content-Length: 18446744073709551617', `x${SMUGGLED}`)],
    ['an unknown transfer coding', hiding('Transfer-Encoding: xchunked', `0\r\n\r\n${SMUGGLED}`)],
    ['a coding after chunked', hiding('Transfer-Encoding: chunked, identity', `0\r\n\r\n${SMUGGLED}`)],
    ['a space before the colon', hiding('Transfer-Encoding : chunked', `0\r\n\r\n${SMUGGLED}`)],
    ['a folded header', hiding('X-A: b\r\n Transfer-Encoding: chunked', `0\r\n\r\n${SMUGGLED}`)],
    ['a header ended by a bare CR', hiding('X-A: b\rTransfer-Encoding: chunked', `0\r\n\r\n${SMUGGLED}`)],
    ['a chunk size that is no number', hiding('Transfer-Encoding: chunked', `zz\r\n${SMUGGLED}`)],
    ['a chunk longer than its size', hiding('Transfer-Encoding: chunked', `1\r\nxy\r\n0\r\n\r\n${SMUGGLED}`)],
    ['a chunk size beyond all numbers', hiding('Transfer-Encoding: chunked', `fffffffffffffffff\r\n${SMUGGLED}`)],
    ['a chunk ended by a bare LF', hiding('Transfer-Encoding: chunked', `1\nx\n0\n\n${SMUGGLED}`)],
    ['a NUL in a header', hiding('X-A: \u0000\r\nContent-Length: 1', `x${SMUGGLED}`)],
    ['a method of its own', `GET\u0001 /notes/cover HTTP/1.1\r\nHost: localhost\r\n\r\n${SMUGGLED}`],
    ['a version of its own', `PUT /notes/cover HTTP/9.1\r\nHost: localhost\r\n\r\n${SMUGGLED}`],
  ])('by %s gets one refusal, and neither is carried out', async (_name, bytes) => {
    const { statuses } = await exchange(world.url, bytes)
    expect(statuses).toEqual([expect.toSatisfy((status: number) => status >= 400 && status < 500)])
    expect((await world.fetch('/notes/smuggled')).status).toBe(404)
    expect((await world.fetch('/notes/cover')).status).toBe(404)
    expect(world.bugs).toEqual([])
  })

  it('is told apart from two honest ones on one connection', async () => {
    const honest = (name: string, end: string): string =>
      `PUT /notes/${name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n${end}\r\nx`
    const { statuses } = await exchange(world.url, honest('one', '') + honest('two', 'Connection: close\r\n'))
    expect(statuses).toEqual([201, 201])
  })
})

describe('an odd request', () => {
  it.each([
    ['a header of 17 KB', () => ({ path: '/healthz', headers: { 'X-Long': 'x'.repeat(17 * 1024) } }), [431]],
    ['a URL of 100,000 characters', () => ({ path: `/notes/${'x'.repeat(100_000)}` }), [414, 431]],
    ['a URL of 9,000 characters', () => ({ path: `/notes/${'x'.repeat(9000)}` }), [414]],
    ['a query of 9,000 characters', () => ({ path: `/notes/a?${'x'.repeat(9000)}` }), [414]],
    ['5,000 headers', () => ({ path: '/healthz', headers: numbered(5000) }), [431]],
    ['a lone percent sign', () => ({ path: '/notes/%' }), [400]],
    ['half an escape', () => ({ path: '/notes/a%2' }), [400]],
    ['an escape that is no number', () => ({ path: '/notes/%zz' }), [400]],
    ['a lone surrogate', () => ({ path: '/notes/%ed%a0%80' }), [400]],
    ['an overlong dot', () => ({ path: '/notes/%c0%ae' }), [400]],
    ['bytes that are no UTF-8', () => ({ path: '/notes/%ff%fe' }), [400]],
    ['an encoded NUL', () => ({ path: '/notes/a%00' }), [400]],
    ['a raw NUL', () => ({ path: '/notes/a\u0000' }), [400]],
    ['an encoded line break', () => ({ path: '/notes/a%0d%0ab' }), [400]],
    ['a raw backslash', () => ({ path: '/notes\\a' }), [400]],
    ['dot segments', () => ({ path: '/notes/../healthz' }), [400]],
    ['encoded dot segments', () => ({ path: '/notes/%2e%2e/healthz' }), [400]],
  ])('such as %s is refused, and the server lives on', async (_name, request, statuses) => {
    const answer = await rawRequest(world.url, request())
    expect(statuses).toContain(answer.status)
    expect((await world.fetch('/healthz')).status).toBe(200)
    expect(world.bugs).toEqual([])
  })

  it('such as a body that is longer than the route takes is refused before it is sent', async () => {
    const head = 'PUT /notes/big HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n'
    const { statuses } = await exchange(world.url, head)
    expect(statuses).toEqual([413])
  })

  it('such as one that stops in the middle of its body leaves nothing', async () => {
    const { statuses } = await exchange(world.url, hiding('Content-Length: 100', 'only this'), 300)
    expect(statuses).toEqual([])
    expect((await world.fetch('/notes/cover')).status).toBe(404)
  })
})

function numbered(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'y']))
}
