import { describe, expect, it } from 'vitest'
import { z } from 'zod'

import { askApi, callApi, type Connection } from '../../../cmd/client/api.ts'
import { askSession, createToken, listTokens, nixPublicKeys } from '../../../cmd/client/depot-api.ts'
import { NO_CREDENTIALS } from '../../../src/client/token-source.ts'
import { LIMITS } from '../../../src/limits.ts'
import { startUpstream } from '../../helpers/upstream.ts'

const request = { method: 'GET', path: '/-/session' } as const
const credentials = NO_CREDENTIALS

/** A connection to a server that is perhaps no depot. */
function to({ url }: { readonly url: string }): Connection {
  return { url: new URL(url), credentials }
}

describe('a request to the API', () => {
  it('shows its credentials for just this request, below the path of the depot', async () => {
    const seen: unknown[] = []
    await using server = await startUpstream((incoming, response) => {
      seen.push([incoming.method, incoming.url, incoming.headers.authorization])
      response.end('{}')
    })
    const signed = { authorization: (asked: object) => `Bearer ${JSON.stringify(asked)}` }
    await callApi({ url: new URL('/team', server.url), credentials: signed }, request, z.object({}))
    expect(seen).toEqual([['GET', '/team/-/session', 'Bearer {"method":"GET","path":"/team/-/session"}']])
  })

  it('follows no redirect, and shows no credentials elsewhere', async () => {
    let asked = 0
    await using elsewhere = await startUpstream((_, response) => {
      asked++
      response.end('{}')
    })
    await using server = await startUpstream((_, response) =>
      response.writeHead(302, { location: elsewhere.url }).end(),
    )
    await expect(askApi(to(server), request)).rejects.toThrow('sends us somewhere else')
    expect(asked).toBe(0)
  })

  it('reads no more than it must', async () => {
    await using server = await startUpstream((_, response) =>
      response.end(Buffer.alloc(LIMITS.apiAnswerBytesMax + 1, 'a')),
    )
    await expect(askApi(to(server), request)).rejects.toMatchObject({
      code: 'STORAGE_DOWN',
      cause: { message: 'its answer is too long' },
    })
  })

  it.each(['', 'hello', '[]', '{"principal": {}}', '{"__proto__": 1}'])(
    'knows no depot by the answer %j',
    async (body) => {
      await using server = await startUpstream((_, response) => response.end(body))
      await expect(askSession(to(server))).rejects.toThrow('does not answer as a depot does')
      await expect(listTokens(to(server))).rejects.toThrow('does not answer as a depot does')
      const made = createToken(to(server), { name: 'a', grants: [] })
      await expect(made).rejects.toThrow('does not answer as a depot does')
    },
  )

  it('repeats what the depot says against it, fit for a terminal', async () => {
    await using server = await startUpstream((_, response) =>
      response.writeHead(403).end(JSON.stringify({ error: 'you may\u001b[2J not\u202e\n' })),
    )
    await expect(listTokens(to(server))).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: `${server.url}: you may\uFFFD[2J not\uFFFD\uFFFD`,
    })
  })

  it('says how far the clocks are apart', async () => {
    await using server = await startUpstream((_, response) =>
      response.writeHead(401, { date: new Date(Date.now() + 950_000).toUTCString() }).end(),
    )
    const { session, answer } = await askSession(to(server))
    expect(session).toBeUndefined()
    // A date has whole seconds, and the answer takes its time.
    expect(answer.aheadSeconds).toBeGreaterThan(930)
    expect(answer.aheadSeconds).toBeLessThanOrEqual(950)
  })

  it('takes for public keys of Nix only what can stand in a nix.conf', async () => {
    const text = 'StoreDir: /nix/store\nPublicKey: a-1:AAAA=\nPublicKey: b #\nPublicKey: c-1:BB\r\n'
    await using server = await startUpstream((_, response) => response.end(text))
    expect(await nixPublicKeys(to(server))).toEqual(['a-1:AAAA=', 'c-1:BB'])
  })
})
