import { describe, expect, it } from 'vitest'

import { parsePublicKey, type PublicKey } from '../../auth/public-key.ts'
import { keyOfLogin, verifyLogin, type LoginCheck } from '../../auth/verify-login.ts'
import { CredentialsRefused } from '../../auth/credentials-refused.ts'
import { forge, goodClaims, LOGIN_KINDS, makeLoginKey, type Forgery, type LoginKey } from '../helpers/forged-logins.ts'

const NOW = 1_700_000_060
const AUDIENCE = 'https://depot.example'
const READ = { method: 'GET', path: '/nix/nix-cache-info', changes: false }
const WRITE = { method: 'PUT', path: '/npm/@s%2fname', changes: true }

function publicKeyOf({ line }: Pick<LoginKey, 'line'>): PublicKey {
  const [type = '', base64 = ''] = line.split(' ')
  return parsePublicKey(type, base64)
}

async function verify(keys: readonly Pick<LoginKey, 'line'>[], token: string, check: Partial<LoginCheck> = {}) {
  const listed = new Map(keys.map(publicKeyOf).map((key) => [key.fingerprint, key]))
  const key = keyOfLogin(token, (kid) => listed.get(kid))
  return verifyLogin(token, key, { audiences: [AUDIENCE], now: NOW, ...READ, ...check })
}

describe('a login that was written down', () => {
  // Seed: the bytes 00 01 … 1f.
  const line = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4'
  const kid = 'SHA256:lbmsoA0yIEcEiVDRnMWuzm+nV+3ZEEpVIURqFoeSspg'
  const header = `{"alg":"EdDSA","kid":"${kid}","typ":"depot-ssh+jwt"}`
  const claims = `{"iss":"depot-cli/test","sub":"${kid}","aud":"https://depot.example","iat":1700000000,"nbf":1699999995,"exp":1700000120,"jti":"AAECAwQFBgcICQoLDA0ODw"}`
  const signature = 'yqV4toZGwm9nRgCQbLM4QyWDiu8ly6c7Y7I0SW7pQHRx315bPGuvIlucdQwf2IT4ac82Nv0fM8rAm4jOYeZiDg'
  const token = [header, claims].map((part) => Buffer.from(part).toString('base64url')).join('.') + `.${signature}`

  it('is as long as it was, and verifies', async () => {
    expect(token).toHaveLength(476)
    expect(await verify([{ line }], token)).toEqual({
      fingerprint: kid,
      jti: 'AAECAwQFBgcICQoLDA0ODw',
      expiresAt: 1_700_000_120,
      scope: undefined,
      bound: false,
    })
  })
})

describe.each(LOGIN_KINDS)('a login of an %s key', (kind) => {
  const key = makeLoginKey(kind)
  const login = (forgery: Forgery = {}) =>
    forge(key, AUDIENCE, {
      ...forgery,
      claims: { ...goodClaims(key, AUDIENCE, NOW), ...(typeof forgery.claims === 'object' ? forgery.claims : {}) },
    })

  it('is refused when it is cut anywhere, and when something stands behind it', async () => {
    const token = login()
    await expect(verify([key], token)).resolves.toMatchObject({ fingerprint: key.fingerprint })
    for (let length = 0; length < token.length; length++)
      await expect(verify([key], token.slice(0, length))).rejects.toThrow(CredentialsRefused)
    for (const more of ['A', 'AA', 'AAAA', '=', '==', '.', '.A', '\n', ' ', '\0'])
      await expect(verify([key], token + more)).rejects.toThrow(CredentialsRefused)
  })

  it('is refused when any of its characters is another', async () => {
    const token = login()
    for (let index = 0; index < token.length; index += kind === 'p521' ? 17 : 5) {
      const other = token[index] === 'A' ? 'B' : 'A'
      const changed = token.slice(0, index) + other + token.slice(index + 1)
      await expect(verify([key], changed)).rejects.toThrow(CredentialsRefused)
    }
  })

  it('names its key and its jti when a claim is wrong, and says which', async () => {
    const refused = verify([key], login({ claims: { sub: 'x', jti: 'A'.repeat(20) } }))
    await expect(refused).rejects.toMatchObject({
      message: 'sub is not the key',
      key: key.fingerprint,
      jti: 'A'.repeat(20),
    })
  })
})

describe('clocks', () => {
  const key = makeLoginKey()
  const good = (claims: Readonly<Record<string, unknown>>) =>
    verify([key], forge(key, AUDIENCE, { claims: { ...goodClaims(key, AUDIENCE, NOW), ...claims } })).then(
      () => true,
      () => false,
    )

  /** A login that a client mints with this many seconds on its clock, shown just before it thinks that it ends. */
  const ahead = (seconds: number) => {
    const iat = NOW + seconds
    return good({ iat, nbf: iat - 5, exp: iat + 120 })
  }
  const behind = (seconds: number) => {
    const itsNow = NOW - seconds
    return good({ iat: itsNow - 119, nbf: itsNow - 124, exp: itsNow + 1 })
  }

  it('may be 30 seconds apart, whichever is ahead, and not 31', async () => {
    expect(await Promise.all([0, 29, 30, 31, 60].map(ahead))).toEqual([true, true, true, false, false])
    expect(await Promise.all([0, 29, 30, 31, 60].map(behind))).toEqual([true, true, true, false, false])
  })

  it('may be so for a login without nbf, and for one that is good for all of five minutes', async () => {
    const without = (iat: number) => good({ iat, nbf: undefined, exp: iat + 300 })
    expect(await Promise.all([30, 31].map((seconds) => without(NOW + seconds)))).toEqual([true, false])
    expect(await Promise.all([329, 330, 331].map((seconds) => without(NOW - seconds)))).toEqual([true, false, false])
  })

  it('do not let a login be good for longer than five minutes', async () => {
    expect(await Promise.all([300, 301].map((seconds) => good({ iat: NOW, exp: NOW + seconds })))).toEqual([
      true,
      false,
    ])
    expect(await good({ iat: NOW - 1, exp: NOW - 2 })).toBe(false)
  })

  it('count in whole seconds', async () => {
    expect(await good({ exp: NOW + 100.5 })).toBe(false)
    expect(await good({ iat: NOW - 0.5 })).toBe(false)
    expect(await good({ exp: `${NOW + 100}` })).toBe(false)
  })
})

describe('a login for one request', () => {
  const key = makeLoginKey()
  const good = (claims: Readonly<Record<string, unknown>>, check: Partial<LoginCheck>) =>
    verify([key], forge(key, AUDIENCE, { claims: { ...goodClaims(key, AUDIENCE, NOW), ...claims } }), check).then(
      ({ bound }) => bound,
      () => undefined,
    )

  it.each([
    ['PUT', '/npm/@s%2fname', true],
    ['PUT', '/npm/@s%2Fname', true],
    ['PUT', '/npm/@s/name', true],
    ['PUT', '/npm/%40s%2fname', true],
    ['PUT', '/npm/@s%252fname', undefined],
    ['PUT', '/npm/@s/other', undefined],
    ['PUT', '/npm/@S/name', undefined],
    ['PUT', '/npm/@s/name/', undefined],
    ['PUT', '/npm//@s/name', undefined],
    ['PUT', '/npm/./@s/name', undefined],
    ['PUT', '/npm/@s/name?a=b', undefined],
    ['PUT', 'https://depot.example/npm/@s/name', undefined],
    ['PUT', '/depot/npm/@s/name', undefined],
    ['PUT', '', undefined],
    ['DELETE', '/npm/@s%2fname', undefined],
    ['put', '/npm/@s%2fname', undefined],
    ['', '/npm/@s%2fname', undefined],
    ['*', '/npm/@s%2fname', undefined],
  ])('%j %j is good for PUT /npm/@s%%2fname: %s', async (htm, htu, expected) => {
    expect(await good({ htm, htu }, WRITE)).toBe(expected)
  })

  it('is what a change needs, and a read does not', async () => {
    expect(await good({}, WRITE)).toBeUndefined()
    expect(await good({}, READ)).toBe(false)
    expect(await good({ htm: 'GET', htu: READ.path }, READ)).toBe(true)
    expect(await good({ htm: 'GET', htu: READ.path }, { ...READ, method: 'HEAD' })).toBeUndefined()
    expect(await good({ htm: 'PUT', htu: READ.path }, READ)).toBeUndefined()
    expect(await good({ htm: 'GET' }, READ)).toBeUndefined()
    expect(await good({ htu: READ.path }, READ)).toBeUndefined()
  })
})
