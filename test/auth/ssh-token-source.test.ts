import { generateKeyPairSync } from 'node:crypto'

import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'

import { keySigner } from '../../auth/key-signer.ts'
import type { Signer } from '../../auth/signer.ts'
import { sshTokenSource, storedTokenSource } from '../../auth/ssh-token-source.ts'
import type { TokenSource } from '../../src/client/token-source.ts'
import { DepotError } from '../../src/errors.ts'

const GET = { method: 'GET', path: '/nix/nix-cache-info' }
const PUT = { method: 'PUT', path: '/nix/nar/x.nar' }

describe('the credentials of an SSH key', () => {
  it('share one login among reads, which can do nothing else', async () => {
    const { source } = world()
    const all = [GET, { ...GET, path: '/npm/left-pad' }, { ...GET, method: 'HEAD' }, { ...GET, method: 'OPTIONS' }]
    const shown = await Promise.all(all.map((request) => source.authorization(request)))
    expect(new Set(shown).size).toBe(1)
    expect(await claims(source, GET)).toEqual({
      iss: 'depot-cli/test',
      sub: expect.stringMatching(/^SHA256:/),
      aud: 'https://depot.example:8443',
      iat: 1_700_000_000,
      nbf: 1_699_999_995,
      exp: 1_700_000_240,
      jti: expect.stringMatching(/^[\w-]{22}$/),
      scope: '*:read:*',
    })
  })

  it('renew the login of reads after two minutes, and when the clock was set back', async () => {
    const { source, clock } = world()
    const first = await source.authorization(GET)
    clock.ms += 119_999
    expect(await source.authorization(GET)).toBe(first)
    clock.ms += 1
    const second = await source.authorization(GET)
    expect(second).not.toBe(first)
    clock.ms -= 60_000
    expect(await source.authorization(GET)).not.toBe(second)
  })

  it('sign once for reads that come together', async () => {
    const { source, signed } = world()
    await Promise.all(Array.from({ length: 50 }, () => source.authorization(GET)))
    expect(signed.count).toBe(1)
  })

  it('are made for each change anew, for this request only', async () => {
    const { source, signed } = world()
    const first = await claims(source, PUT)
    const second = await claims(source, PUT)
    expect(first).toMatchObject({ htm: 'PUT', htu: '/nix/nar/x.nar', exp: 1_700_000_120 })
    expect(first).not.toHaveProperty('scope')
    expect(second['jti']).not.toBe(first['jti'])
    for (const method of ['POST', 'DELETE', 'PATCH', 'get'])
      expect(await claims(source, { method, path: '/x' })).toMatchObject({ htm: method, htu: '/x' })
    expect(signed.count).toBe(6)
  })

  it('are tried again after a signature that failed', async () => {
    const { source, signed } = world()
    signed.fails = true
    const refused = await Promise.allSettled([source.authorization(GET), source.authorization(GET)])
    expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    signed.fails = false
    expect(await source.authorization(GET)).toMatch(/^Bearer eyJ/)
  })
})

describe('a stored token', () => {
  it('is shown to every request as it is', async () => {
    expect(await storedTokenSource('dpt_abc').authorization(PUT)).toBe('Bearer dpt_abc')
  })

  it.each(['dpt_abc\r\nX-Evil: 1', 'dpt abc', '', 'dpt_ä'])(
    'is refused, and not repeated, when it is no header: %j',
    (token) => {
      expect(() => storedTokenSource(token)).toThrow(
        new DepotError('INVALID_NAME', 'not a token: it has spaces or other signs in it'),
      )
    },
  )
})

function world() {
  const clock = { ms: 1_700_000_000_999 }
  const signed = { count: 0, fails: false }
  const real = keySigner(generateKeyPairSync('ed25519').privateKey, 'test')
  const signer: Signer = {
    ...real,
    sign(algorithm, input) {
      signed.count++
      return signed.fails ? Promise.reject(new DepotError('UNAUTHENTICATED', 'said no')) : real.sign(algorithm, input)
    },
  }
  const url = new URL('https://depot.example:8443/team/')
  return { clock, signed, source: sshTokenSource({ signer, url, issuer: 'depot-cli/test', now: () => clock.ms }) }
}

async function claims(source: TokenSource, request: { method: string; path: string }) {
  return { ...decodeJwt(((await source.authorization(request)) ?? '').replace('Bearer ', '')) } as Record<
    string,
    unknown
  >
}
