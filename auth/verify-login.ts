import { errors, jwtVerify } from 'jose'
import { z } from 'zod'

import { LIMITS } from '../src/limits.ts'
import { readCompactJwt } from './compact-jwt.ts'
import { CredentialsRefused } from './credentials-refused.ts'
import { LOGIN_TYPE } from './login.ts'
import type { PublicKey } from './public-key.ts'

/** A login whose signature and claims hold. Whether it was used before is another question. */
export interface VerifiedLogin {
  readonly fingerprint: string
  readonly jti: string
  /** Seconds since 1970. */
  readonly expiresAt: number
  /** What its maker narrowed it to, as grants with commas; undefined when not at all. */
  readonly scope: string | undefined
  /** True when it is good for one method and path only. */
  readonly bound: boolean
}

/** What a login is held against: the request that shows it, and this depot. */
export interface LoginCheck {
  /** Origins that this depot is known by. */
  readonly audiences: readonly string[]
  readonly method: string
  /** Path of the request as the client sent it, percent-encoded. */
  readonly path: string
  /** A request that changes something takes only a login that was made for it. */
  readonly changes: boolean
  /** Seconds since 1970. */
  readonly now: number
}

/** Exactly these: a header that names its own key, a URL or an extension (`jwk`, `jku`, `x5c`, `crit`, `b64`) is refused. */
const HEADER = z.strictObject({
  alg: z.string().max(16),
  kid: z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/),
  typ: z.literal(LOGIN_TYPE),
})

const SECONDS = z.int().min(0)
const CLAIMS = z.object({
  sub: z.string(),
  aud: z.string(),
  iat: SECONDS,
  nbf: SECONDS.optional(),
  exp: SECONDS,
  jti: z.string().regex(/^[\w.~-]{16,64}$/),
  scope: z.string().min(1).max(LIMITS.credentialCharsMax).optional(),
  htm: z.string().max(16).optional(),
  htu: z.string().max(LIMITS.urlLengthMax).optional(),
})
type Claims = z.infer<typeof CLAIMS>

/**
 * The key that a login says it is signed by, if it is one whose logins are taken. No signature has been looked at.
 *
 * @throws CredentialsRefused
 */
export function keyOfLogin(token: string, keyOf: (fingerprint: string) => PublicKey | undefined): PublicKey {
  const jwt = readCompactJwt(token)
  if (jwt === undefined) throw new CredentialsRefused('it is not a JWT, or one that can be read in two ways')
  const header = HEADER.safeParse(jwt.header)
  if (!header.success) throw new CredentialsRefused(`its header is not a login's: ${firstFault(header.error)}`)
  const { kid, alg } = header.data
  const key = keyOf(kid)
  if (key === undefined) throw new CredentialsRefused('its key is not listed', kid)
  if (!key.algorithms.includes(alg)) throw new CredentialsRefused(`${alg} is not an algorithm of its key`, kid)
  return key
}

/**
 * Verify a login against the key that `keyOfLogin` found for it: a JWT signed by an SSH key (RFC 7519, RFC 8725). jose checks the signature and the times; it would take a key in the
 * header, a list of audiences, and any distance between issue and expiry, so those are checked here.
 *
 * @throws CredentialsRefused
 */
export async function verifyLogin(token: string, key: PublicKey, check: LoginCheck): Promise<VerifiedLogin> {
  const kid = key.fingerprint
  const payload = await verifiedPayload(token, key, check)
  const parsed = CLAIMS.safeParse(payload)
  if (!parsed.success) throw new CredentialsRefused(`its claims are not a login's: ${firstFault(parsed.error)}`, kid)
  const claims = parsed.data
  const reason = wrongClaim(claims, kid, check)
  if (reason !== undefined) throw new CredentialsRefused(reason, kid, claims.jti)
  return {
    fingerprint: kid,
    jti: claims.jti,
    expiresAt: claims.exp,
    scope: claims.scope,
    bound: claims.htm !== undefined || claims.htu !== undefined,
  }
}

async function verifiedPayload(token: string, key: PublicKey, { now, audiences }: LoginCheck): Promise<unknown> {
  try {
    const { payload } = await jwtVerify(token, key.key, {
      algorithms: [...key.algorithms],
      audience: [...audiences],
      typ: LOGIN_TYPE,
      requiredClaims: ['aud', 'exp', 'iat', 'jti', 'sub'],
      maxTokenAge: LIMITS.loginSecondsMax,
      clockTolerance: LIMITS.clockSkewSeconds,
      currentDate: new Date(now * 1000),
    })
    return payload
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error
    throw new CredentialsRefused(error.message, key.fingerprint)
  }
}

/** What jose accepts and a login must not have; undefined when all is well. */
function wrongClaim(claims: Claims, kid: string, check: LoginCheck): string | undefined {
  const { sub, exp, iat, htm, htu } = claims
  if (sub !== kid) return 'sub is not the key'
  if (exp <= iat || exp - iat > LIMITS.loginSecondsMax) return `it is good for ${exp - iat} seconds`
  if ((htm === undefined) !== (htu === undefined)) return 'it has one of htm and htu'
  if (htm === undefined) return check.changes ? 'it was not made for this change' : undefined
  if (htm !== check.method) return `it was made for ${htm}`
  return samePath(htu ?? '', check.path) ? undefined : 'it was made for another path'
}

/** Reverse proxies write the same path in other ways: `@acme%2fbutton` or `@acme/button`. */
function samePath(one: string, other: string): boolean {
  try {
    return decodeURIComponent(one) === decodeURIComponent(other)
  } catch {
    return false
  }
}

function firstFault({ issues: [first] }: z.ZodError): string {
  return `${first?.path.join('.') ?? ''} ${first?.message ?? ''}`.trim()
}
