import { createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'

import { keySigner } from '../../auth/key-signer.ts'
import { LOGIN_TYPE } from '../../auth/login.ts'

/** Every kind of key that logins are signed with. */
export const LOGIN_KINDS = ['ed25519', 'p256', 'p384', 'p521', 'rsa-2048', 'rsa-4096'] as const
export type LoginKind = (typeof LOGIN_KINDS)[number]

/** A key pair whose logins a test writes by hand. */
export interface LoginKey {
  readonly kind: LoginKind
  /** `<type> <base64>`, as an auth file has it. */
  readonly line: string
  readonly fingerprint: string
  /** The JOSE algorithm of its logins. */
  readonly algorithm: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export function makeLoginKey(kind: LoginKind = 'ed25519'): LoginKey {
  const privateKey = privateKeyOf(kind)
  const { publicKey: line, fingerprint, algorithms } = keySigner(privateKey, '')
  const [algorithm = ''] = algorithms
  return { kind, line, fingerprint, algorithm, privateKey, publicKey: createPublicKey(privateKey) }
}

export interface Forgery {
  /** Replaces members of a good header; undefined leaves one out. A text takes the place of the whole. */
  readonly header?: Readonly<Record<string, unknown>> | string
  /** The same for the claims. */
  readonly claims?: Readonly<Record<string, unknown>> | string
  /** Instead of the key's own signature. */
  readonly signature?: (input: Buffer) => Uint8Array | string
}

/** A good login for reading `audience` now, bent as the test wants it, and signed after that. */
export function forge(key: LoginKey, audience: string, { header, claims, signature }: Forgery = {}): string {
  const head = { alg: key.algorithm, kid: key.fingerprint, typ: LOGIN_TYPE }
  const body = goodClaims(key, audience)
  const input = `${encoded(bent(head, header))}.${encoded(bent(body, claims))}`
  const signed = (signature ?? ((bytes: Buffer) => signWith(key, bytes)))(Buffer.from(input))
  return `${input}.${typeof signed === 'string' ? signed : Buffer.from(signed).toString('base64url')}`
}

export function goodClaims(key: LoginKey, audience: string, now: number = Math.floor(Date.now() / 1000)) {
  return {
    iss: 'test',
    sub: key.fingerprint,
    aud: audience,
    iat: now,
    nbf: now - 5,
    exp: now + 120,
    jti: randomBytes(16).toString('base64url'),
  }
}

/** A login that is good for one request. */
export function loginFor(key: LoginKey, audience: string, method: string, path: string): string {
  return forge(key, audience, { claims: { htm: method, htu: path } })
}

/** The signature that the key makes for an algorithm, in the form that JOSE wants, or DER for ECDSA. */
export function signWith(
  key: LoginKey,
  input: Uint8Array,
  dsaEncoding: 'ieee-p1363' | 'der' = 'ieee-p1363',
): Uint8Array {
  return sign(HASHES[key.algorithm] ?? null, input, { key: key.privateKey, dsaEncoding })
}

export function encoded(text: string): string {
  return Buffer.from(text).toString('base64url')
}

const HASHES: Readonly<Record<string, string>> = { RS512: 'sha512', ES256: 'sha256', ES384: 'sha384', ES512: 'sha512' }
const CURVES = { p256: 'P-256', p384: 'P-384', p521: 'P-521' } as const

function privateKeyOf(kind: LoginKind): KeyObject {
  if (kind === 'ed25519') return generateKeyPairSync('ed25519').privateKey
  if (kind === 'rsa-2048' || kind === 'rsa-4096')
    return generateKeyPairSync('rsa', { modulusLength: Number(kind.slice(4)) }).privateKey
  return generateKeyPairSync('ec', { namedCurve: CURVES[kind] }).privateKey
}

function bent(good: object, changes: Forgery['header'] = {}): string {
  return typeof changes === 'string' ? changes : JSON.stringify({ ...good, ...changes })
}
