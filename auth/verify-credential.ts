import type { Credentials, Principal } from '../src/access.ts'
import type { Buckets } from '../src/buckets.ts'
import { DepotError } from '../src/errors.ts'
import { createKeyedTurns } from '../src/keyed-turns.ts'
import { LIMITS } from '../src/limits.ts'
import { networkOf } from '../src/network.ts'
import { liveKey, type AuthKey, type AuthKeys } from './auth-file.ts'
import type { Credential } from './authorization.ts'
import { CredentialsRefused } from './credentials-refused.ts'
import { parseGrants } from './grants.ts'
import type { Verified } from './remembered.ts'
import type { StoredTokens } from './stored-tokens.ts'
import type { UsedLogins } from './used-logins.ts'
import { keyOfLogin, verifyLogin, type LoginCheck, type VerifiedLogin } from './verify-login.ts'

/** What credentials are verified against. */
export interface VerifierOptions {
  readonly authFile: { current(): AuthKeys }
  readonly tokens: Pick<StoredTokens, 'authenticate'>
  readonly usedLogins: UsedLogins
  /** Origins that logins may be made for, for a request with this Host. */
  audiencesOf(host: string | undefined): readonly string[]
  /** Path of the public URL, without a trailing slash: a reverse proxy takes it away, and logins name it. */
  readonly pathPrefix: string
  readonly ecosystems: readonly string[]
  /** Pace of bad logins, by address. */
  readonly attempts: Buckets
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** A verified credential, and whether it is good for more than this one request. */
export type Found = Verified & { readonly lasting: boolean }

/** @returns a function that throws CredentialsRefused for what is not good, and DepotError `TOO_MANY_REQUESTS` */
export function createVerifier(
  options: VerifierOptions,
): (credential: Credential, credentials: Credentials) => Promise<Found> {
  const { authFile, tokens, usedLogins, attempts, now } = options
  const inTurn = createKeyedTurns(LIMITS.loginsVerifiedAtOnce)

  /** The key as it is now. */
  function keyOf(fingerprint: string): AuthKey | undefined {
    return liveKey(authFile.current(), fingerprint, now())
  }

  /** What a credential may do is within what its key may do now. */
  function behindKey(found: Principal, kind: Verified['kind'], trustedMs: number): Verified {
    const key = keyOf(found.key)
    if (key === undefined) throw new CredentialsRefused('its SSH key is not listed', found.key, found.credential)
    const until = Math.min(now() + trustedMs, endMs(found), key.expiresAt ?? Infinity)
    return { principal: { ...found, limits: [...key.limits, ...found.limits] }, kind, until }
  }

  async function fromToken(text: string): Promise<Found> {
    const stored = await tokens.authenticate(text)
    if (typeof stored === 'string') throw new CredentialsRefused(`stored token: ${stored}`, tokenIdOf(text))
    return { ...behindKey(stored, 'token', LIMITS.tokenTrustedMs), lasting: true }
  }

  async function checkedLogin(text: string, { address, method, host, path, policy }: Credentials) {
    // What costs nothing to see comes first.
    const key = keyOfLogin(text, (fingerprint) => keyOf(fingerprint)?.publicKey)
    const check: LoginCheck = {
      audiences: options.audiencesOf(host),
      method,
      path: options.pathPrefix + path,
      changes: changesSomething({ policy, method }),
      now: Math.floor(now() / 1000),
    }
    // Many good ones at once are fine. Of many bad ones all would pass before the first is charged, if they did not wait.
    return inTurn(networkOf(address), () => {
      if (!attempts.has(address)) throw tooMany()
      return charged(address, () => verifyLogin(text, key, check))
    })
  }

  async function charged<T>(address: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof CredentialsRefused) attempts.charge(address)
      throw error
    }
  }

  async function useUp(login: VerifiedLogin): Promise<void> {
    if (await usedLogins.use(login)) return
    throw new CredentialsRefused('it was used before', login.fingerprint, login.jti)
  }

  async function fromLogin(text: string, credentials: Credentials): Promise<Found> {
    const login = await checkedLogin(text, credentials)
    const { fingerprint, jti, expiresAt } = login
    return charged(credentials.address, async () => {
      const found = {
        id: fingerprint,
        name: keyOf(fingerprint)?.comment ?? '',
        key: fingerprint,
        limits: scopeOf(login, options.ecosystems),
        credential: jti,
        expiresAt,
      }
      const verified = behindKey(found, 'login', Infinity)
      if (changesSomething(credentials)) await useUp(login)
      return { ...verified, lasting: !login.bound }
    })
  }

  return async (credential, credentials) => {
    switch (credential.kind) {
      case 'token':
        return fromToken(credential.text)
      case 'login':
        return fromLogin(credential.text, credentials)
      case 'refused':
        throw new CredentialsRefused(credential.reason)
    }
  }
}

/** Whether a login shown here must be one that was made for this very request, and is used up by it. */
export function changesSomething({ policy, method }: Pick<Credentials, 'policy' | 'method'>): boolean {
  return policy !== 'public' && policy !== 'read' && method !== 'GET' && method !== 'HEAD'
}

/** The layer that a login puts around the rights of its key, if it does. */
function scopeOf({ scope, fingerprint, jti }: VerifiedLogin, ecosystems: readonly string[]): Principal['limits'] {
  try {
    return scope === undefined ? [] : [parseGrants(scope, ecosystems)]
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
    throw new CredentialsRefused(`its scope: ${error.message}`, fingerprint, jti)
  }
}

function endMs({ expiresAt = Infinity }: Principal): number {
  return expiresAt * 1000
}

/** The part of a stored token that is no secret: only where the rest stands behind it, as whoever cuts one may begin anywhere. */
function tokenIdOf(text: string): string {
  return /^dpt_(?<id>[0-9A-Za-z]{12})_/.exec(text)?.groups?.['id'] ?? ''
}

function tooMany(): DepotError {
  return new DepotError('TOO_MANY_REQUESTS', 'too many bad credentials from your address: wait a moment', {
    headers: { 'Retry-After': '1' },
  })
}
