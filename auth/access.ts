import { ANONYMOUS, type Access, type Credentials, type Principal } from '../src/access.ts'
import { createBuckets, type Buckets } from '../src/buckets.ts'
import { DepotError } from '../src/errors.ts'
import type { Events } from '../src/events.ts'
import { LIMITS } from '../src/limits.ts'
import { networkOf } from '../src/network.ts'
import type { AuthKey } from './auth-file.ts'
import { parseAuthorization, type Credential } from './authorization.ts'
import { CredentialsRefused } from './credentials-refused.ts'
import { parseGrants, permits } from './grants.ts'
import { createRemembered, type Verified } from './remembered.ts'
import type { StoredTokens } from './stored-tokens.ts'
import { createTurns } from './turns.ts'
import type { UsedLogins } from './used-logins.ts'
import { keyOfLogin, verifyLogin, type VerifiedLogin } from './verify-login.ts'

/** The keys of an auth file as they are now. */
export interface CurrentKeys {
  readonly keys: ReadonlyMap<string, AuthKey>
  /** Whether it ever had a key that may only read, or no keys at all. */
  readonly hasReadKeys: boolean
  /** Another number for every change of the file. */
  readonly generation: number
}

export interface AccessOptions {
  readonly authFile: { current(): CurrentKeys }
  readonly tokens: Pick<StoredTokens, 'authenticate' | 'used'>
  readonly usedLogins: UsedLogins
  /** Whether reads need credentials; `auto` = when the auth file says so. */
  readonly readAuth: 'auto' | 'always' | 'never'
  /** Origins that logins may be made for, for a request with this Host. */
  audiencesOf(host: string | undefined): readonly string[]
  /** Path of the public URL, without a trailing slash: a reverse proxy takes it away, and logins name it. */
  readonly pathPrefix: string
  readonly ecosystems: readonly string[]
  readonly events: Pick<Events, 'credentialsRefused'>
  /** Pace of bad logins, by address. */
  readonly attempts?: Buckets
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

export interface KeyAccess extends Access {
  /** Forget what was verified, so that the next use of every credential is looked at again. */
  forget(): void
  /** Whether anonymous callers may read. */
  readsAreOpen(): boolean
}

/** How fast one address may show bad logins, each of which costs a signature. */
export function loginAttempts(): Buckets {
  return createBuckets({
    burst: LIMITS.badLoginsBurst,
    perSecond: LIMITS.badLoginsPerSecond,
    keysMax: LIMITS.rateKeysMax,
    bucketOf: networkOf,
  })
}

/**
 * The rules of an auth file. With a key that may only read, everything needs credentials; with keys that write, only writes do; without any
 * key nobody may do anything. Reads that once needed credentials need them until the server starts again, whatever becomes of the file.
 */
export function createAccess(options: AccessOptions): KeyAccess {
  const { authFile, readAuth, now = Date.now } = options
  const remembered = createRemembered({
    most: LIMITS.credentialsRemembered,
    generation: () => authFile.current().generation,
    now,
  })
  const verify = verifier({ attempts: loginAttempts(), ...options, now })

  function readsAreOpen(): boolean {
    return readAuth === 'auto' ? !authFile.current().hasReadKeys : readAuth === 'never'
  }

  async function verified(authorization: string, credentials: Credentials): Promise<Principal> {
    const moment = remembered.moment()
    try {
      const { lasting, ...found } = await verify(parseAuthorization(authorization), credentials)
      if (lasting) remembered.keep(authorization, found, moment)
      return found.principal
    } catch (error) {
      if (!(error instanceof CredentialsRefused)) throw error
      const { message: reason, key, jti } = error
      options.events.credentialsRefused({ reason, address: credentials.address, key, jti })
      return ANONYMOUS
    }
  }

  return {
    authenticate(credentials) {
      const { authorization = '' } = credentials
      if (authorization === '') return ANONYMOUS
      const known = remembered.recall(authorization)
      // A login for reading is looked at again when it is shown for a change, and refused.
      if (known === undefined || (known.kind === 'login' && changesSomething(credentials)))
        return verified(authorization, credentials)
      if (known.kind === 'token') options.tokens.used(known.principal.credential)
      return known.principal
    },
    authorize(principal, policy, resource) {
      if (policy === 'public') return 'allow'
      const known = principal.key !== ''
      if (policy === 'account') return known ? 'allow' : 'unauthenticated'
      if (policy === 'read' && readsAreOpen()) return 'allow'
      if (permits(principal.limits, policy, resource)) return 'allow'
      if (!known) return 'unauthenticated'
      return policy === 'read' ? 'hidden' : 'forbidden'
    },
    forget: () => remembered.forget(),
    readsAreOpen,
  }
}

/** A verified credential, and whether it is good for more than this one request. */
type Found = Verified & { readonly lasting: boolean }

/** @returns a function that throws CredentialsRefused for what is not good, and DepotError `TOO_MANY_REQUESTS` */
function verifier(
  options: AccessOptions & { readonly attempts: Buckets; readonly now: () => number },
): (credential: Credential, credentials: Credentials) => Promise<Found> {
  const { authFile, tokens, usedLogins, attempts, now } = options
  const inTurn = createTurns(LIMITS.loginsVerifiedAtOnce)

  /** The key as it is now. */
  function keyOf(fingerprint: string): AuthKey | undefined {
    const key = authFile.current().keys.get(fingerprint)
    return key === undefined || now() >= (key.expiresAt ?? Infinity) ? undefined : key
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

  async function checkedLogin(text: string, credentials: Credentials) {
    const { address, method, host, path } = credentials
    const changes = changesSomething(credentials)
    const publicKeyOf = (fingerprint: string) => keyOf(fingerprint)?.publicKey
    // What costs nothing to see comes first.
    keyOfLogin(text, publicKeyOf)
    const verifying = {
      keyOf: publicKeyOf,
      audiences: options.audiencesOf(host),
      method,
      path: options.pathPrefix + path,
      changes,
      now: Math.floor(now() / 1000),
    }
    // Many good ones at once are fine. Of many bad ones all would pass before the first is charged, if they did not wait.
    return inTurn(networkOf(address), async () => {
      if (!attempts.has(address)) throw tooMany()
      try {
        return { login: await verifyLogin(text, verifying), changes }
      } catch (error) {
        attempts.charge(address)
        throw error
      }
    })
  }

  async function fromLogin(text: string, credentials: Credentials): Promise<Found> {
    const { login, changes } = await checkedLogin(text, credentials)
    const { fingerprint, jti, expiresAt } = login
    const found = {
      id: fingerprint,
      name: keyOf(fingerprint)?.comment ?? '',
      key: fingerprint,
      limits: scopeOf(login, options.ecosystems),
      credential: jti,
      expiresAt,
    }
    const verified = behindKey(found, 'login', Infinity)
    if (changes && !(await usedLogins.use(login))) throw new CredentialsRefused('it was used before', fingerprint, jti)
    return { ...verified, lasting: !login.bound }
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

/** The layer that a login puts around the rights of its key, if it does. */
function scopeOf({ scope, fingerprint, jti }: VerifiedLogin, ecosystems: readonly string[]): Principal['limits'] {
  try {
    return scope === undefined ? [] : [parseGrants(scope, ecosystems)]
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
    throw new CredentialsRefused(`its scope: ${error.message}`, fingerprint, jti)
  }
}

/** Whether a login shown here must be one that was made for this very request, and is used up by it. */
function changesSomething({ policy, method }: Pick<Credentials, 'policy' | 'method'>): boolean {
  return policy !== 'public' && policy !== 'read' && method !== 'GET' && method !== 'HEAD'
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
