import { describe, expect, it } from 'vitest'

import { toy } from '../fixtures/toy-protocol.ts'
import { exchange, rawRequest } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'

const EVIL = 'evil.example'

describe('the Host of a request', () => {
  it.each([
    EVIL,
    `${EVIL}:80`,
    `127.0.0.1.${EVIL}`,
    `localhost.${EVIL}`,
    `127.0.0.1@${EVIL}`,
    `${EVIL}#127.0.0.1`,
    '169.254.169.254',
    '0.0.0.0',
  ])('is refused when it is "%s", for reading and for writing', async (host) => {
    await using world = await startWorld({ protocols: [toy] })
    for (const method of ['GET', 'HEAD', 'PUT']) {
      const answer = await rawRequest(world.url, { method, path: '/notes/a', headers: { Host: host } })
      expect([400, 421]).toContain(answer.status)
    }
    expect((await world.fetch('/notes/a')).status).toBe(404)
  })

  it.each(['127.0.0.1', 'localhost', 'LOCALHOST', '[::1]', '127.0.0.1:1'])('is taken when it is "%s"', async (host) => {
    await using world = await startWorld({ protocols: [toy] })
    expect((await rawRequest(world.url, { path: '/healthz', headers: { Host: host } })).status).toBe(200)
  })

  it.each([
    ['nowhere', 'GET /healthz HTTP/1.1\r\nConnection: close'],
    ['nowhere, in HTTP/1.0', 'GET /healthz HTTP/1.0'],
    ['empty', 'GET /healthz HTTP/1.1\r\nHost: \r\nConnection: close'],
    ['two', 'GET /healthz HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\nConnection: close'],
  ])('is refused when it is %s', async (_name, head) => {
    await using world = await startWorld({ protocols: [toy] })
    const { statuses } = await exchange(world.url, `${head}\r\n\r\n`)
    expect(statuses).toEqual([expect.toSatisfy((status: number) => status === 400 || status === 421)])
  })

  it('never reaches an answer, whatever a proxy of nobody claims', async () => {
    await using world = await startWorld({ protocols: [toy] })
    const headers = {
      'X-Forwarded-Host': EVIL,
      'X-Forwarded-Proto': 'https',
      Forwarded: `host=${EVIL}`,
      'X-Original-URL': '/notes/a',
    }
    for (const path of ['/', '/notes/a', '/nowhere', '/healthz']) {
      const answer = await rawRequest(world.url, { path, headers })
      expect(answer.body.toString()).not.toContain(EVIL)
      expect(JSON.stringify(answer.headers)).not.toContain(EVIL)
    }
  })

  it('cannot be given in the request line instead', async () => {
    await using world = await startWorld({ protocols: [toy] })
    const host = new URL(world.url).host
    for (const target of [`http://${EVIL}/healthz`, `http://${host}/healthz`, `//${EVIL}/healthz`, `${EVIL}:80`, '*']) {
      const { statuses } = await exchange(
        world.url,
        `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      )
      expect(statuses.filter((status) => status < 400 || status >= 500)).toEqual([])
    }
  })
})

describe('the Origin of a request', () => {
  it.each(['https://evil.example', 'http://localhost.evil.example', 'null', 'http://127.0.0.1:1'])(
    'is refused with 403 for writes when it is %s, and nothing is written',
    async (origin) => {
      await using world = await startWorld({ protocols: [toy] })
      for (const method of ['PUT', 'POST', 'DELETE', 'PATCH']) {
        const answer = await rawRequest(world.url, { method, path: '/notes/a', headers: { Origin: origin }, body: 'x' })
        expect(answer.status).toBe(403)
      }
      expect((await world.fetch('/notes/a')).status).toBe(404)
    },
  )

  it('may be the own one, or absent', async () => {
    await using world = await startWorld({ protocols: [toy] })
    const own = await rawRequest(world.url, {
      method: 'PUT',
      path: '/notes/a',
      headers: { Origin: world.url },
      body: 'x',
    })
    expect(own.status).toBe(201)
    expect((await rawRequest(world.url, { method: 'PUT', path: '/notes/b', body: 'x' })).status).toBe(201)
  })

  it('may read from elsewhere, and no page is told that it may look at the answer', async () => {
    await using world = await startWorld({ protocols: [toy] })
    const answer = await rawRequest(world.url, { path: '/healthz', headers: { Origin: 'https://evil.example' } })
    expect(answer.status).toBe(200)
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
  })
})
