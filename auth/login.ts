import { DepotError } from '../src/errors.ts'
import type { Signer } from './signer.ts'

/** Header `typ` of a login: keeps it apart from other JWTs (RFC 8725 §3.11). */
export const LOGIN_TYPE = 'depot-ssh+jwt'

/** What a login is to say. */
export interface Login {
  readonly signer: Signer
  /** Origin of the depot's URL, without a trailing slash. */
  readonly audience: string
  /** The one request that it is good for; every request that changes something needs its own. */
  readonly request?: { readonly method: string; readonly path: string } | undefined
  /** Narrows it to one grant, `npm:write:@acme/*`. */
  readonly scope?: string | undefined
  /** Who made it: `depot-cli/<version>`. */
  readonly issuer: string
  /** Seconds since 1970. */
  readonly now: number
  /** How long it is good, in seconds; servers take 300 at most. */
  readonly seconds?: number
  /** 16 random bytes in base64url: a login that changes something is good once. */
  readonly jti: string
}

/**
 * A login: a JWT (RFC 7519) signed by an SSH key, with the names of DPoP (RFC 9449 §4.2) for the request that it is for.
 *
 * @throws DepotError `UNAUTHENTICATED` when the key does not sign.
 */
export async function mintLogin(login: Login): Promise<string> {
  const { signer } = login
  const claims = base64url(JSON.stringify(claimsOf(login)))
  for (const algorithm of signer.algorithms) {
    const header = base64url(JSON.stringify({ alg: algorithm, kid: signer.fingerprint, typ: LOGIN_TYPE }))
    const input = `${header}.${claims}`
    const signature = await signer.sign(algorithm, Buffer.from(input))
    if (signature !== undefined) return `${input}.${Buffer.from(signature).toString('base64url')}`
  }
  throw new DepotError('UNAUTHENTICATED', wrongAlgorithm(signer))
}

const SECONDS_DEFAULT = 120
/** Before its issue, for servers whose clock is a little behind. */
const EARLY_SECONDS = 5

function claimsOf({ signer, audience, request, scope, issuer, now, seconds = SECONDS_DEFAULT, jti }: Login): object {
  return {
    iss: issuer,
    sub: signer.fingerprint,
    aud: audience,
    iat: now,
    nbf: now - EARLY_SECONDS,
    exp: now + seconds,
    jti,
    ...(scope !== undefined && { scope }),
    ...(request !== undefined && { htm: request.method, htu: request.path }),
  }
}

function wrongAlgorithm({ type, fingerprint, algorithms }: Signer): string {
  const asked = `the SSH agent did not sign with ${algorithms.join(' or ')}, as it was asked`
  const hint = type === 'ssh-rsa' ? '; signatures with SHA-1 are refused: use a newer agent, or an ed25519 key' : ''
  return `${type} key ${fingerprint}: ${asked}${hint}`
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
