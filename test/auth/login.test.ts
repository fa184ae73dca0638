import { createPrivateKey } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import { keySigner } from '../../auth/key-signer.ts'
import { mintLogin } from '../../auth/login.ts'
import type { Signer } from '../../auth/signer.ts'

const SIGNATURE = 'yqV4toZGwm9nRgCQbLM4QyWDiu8ly6c7Y7I0SW7pQHRx315bPGuvIlucdQwf2IT4ac82Nv0fM8rAm4jOYeZiDg'
const FINGERPRINT = 'SHA256:lbmsoA0yIEcEiVDRnMWuzm+nV+3ZEEpVIURqFoeSspg'
const BASE = {
  audience: 'https://depot.example',
  issuer: 'depot-cli/test',
  now: 1_700_000_000,
  jti: 'AAECAwQFBgcICQoLDA0ODw',
}

describe('a login', () => {
  it('is the same for the same key, time and id, byte for byte', async () => {
    const token = await mintLogin({ signer: vectorSigner(), ...BASE })
    expect(token).toHaveLength(476)
    const [header = '', claims = '', signature = ''] = token.split('.')
    expect(text(header)).toBe(`{"alg":"EdDSA","kid":"${FINGERPRINT}","typ":"depot-ssh+jwt"}`)
    expect(text(claims)).toBe(
      `{"iss":"depot-cli/test","sub":"${FINGERPRINT}","aud":"https://depot.example","iat":1700000000,"nbf":1699999995,"exp":1700000120,"jti":"AAECAwQFBgcICQoLDA0ODw"}`,
    )
    expect(signature).toBe(SIGNATURE)
  })

  it('names its one request, its scope and its time after the rest', async () => {
    const request = { method: 'PUT', path: '/team/npm/@acme%2fbutton' }
    const token = await mintLogin({ signer: vectorSigner(), ...BASE, request, scope: 'npm:write:@acme/*', seconds: 30 })
    expect(text(token.split('.')[1] ?? '')).toBe(
      `{"iss":"depot-cli/test","sub":"${FINGERPRINT}","aud":"https://depot.example","iat":1700000000,"nbf":1699999995,"exp":1700000030,"jti":"AAECAwQFBgcICQoLDA0ODw","scope":"npm:write:@acme/*","htm":"PUT","htu":"/team/npm/@acme%2fbutton"}`,
    )
  })

  it('names the algorithm that the signer really has', async () => {
    const weaker: Signer = {
      ...vectorSigner(),
      algorithms: ['RS512', 'RS256'],
      sign: (algorithm) => Promise.resolve(algorithm === 'RS256' ? Buffer.of(1) : undefined),
    }
    const [header = '', , signature] = (await mintLogin({ signer: weaker, ...BASE })).split('.')
    expect(text(header)).toContain('"alg":"RS256"')
    expect(signature).toBe('AQ')
  })

  it('is not made when the signer has another algorithm only', async () => {
    const none: Signer = { ...vectorSigner(), sign: () => Promise.resolve(undefined) }
    await expect(mintLogin({ signer: none, ...BASE })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: `ssh-ed25519 key ${FINGERPRINT}: the SSH agent did not sign with EdDSA, as it was asked`,
    })
  })
})

/** The private key with the seed 00 01 … 1f. */
function vectorSigner(): Signer {
  const seed = Buffer.from(Array.from({ length: 32 }, (_, at) => at))
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  return keySigner(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }), 'vector')
}

function text(base64url: string): string {
  return Buffer.from(base64url, 'base64url').toString()
}
