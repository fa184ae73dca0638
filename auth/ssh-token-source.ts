import { randomBytes } from 'node:crypto'

import type { TokenSource } from '../src/client/token-source.ts'
import { DepotError } from '../src/errors.ts'
import { mintLogin, type Login } from './login.ts'
import type { Signer } from './signer.ts'

export interface SshTokenSourceOptions {
  readonly signer: Signer
  /** The depot, as the person named it. */
  readonly url: URL
  /** Who makes the logins: `depot-cli/<version>`. */
  readonly issuer: string
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/**
 * Credentials that an SSH key signs. Reads share one login that cannot write, renewed every two minutes; every other request has one
 * that is good for it alone, and once.
 */
export function sshTokenSource(options: SshTokenSourceOptions): TokenSource {
  const mint = minter(options)
  const read = renewed(() => mint({ scope: '*:read:*', seconds: READ_SECONDS }), RENEW_MS, options.now)
  return {
    async authorization({ method, path }) {
      const login = READS.includes(method) ? await read() : await mint({ request: { method, path } })
      return `Bearer ${login}`
    },
  }
}

/**
 * As `sshTokenSource`, but a read too has a login for it alone, with all that the key may do: the shared one would hide from
 * `GET /-/session` what its holder may write.
 */
export function wholeTokenSource(options: SshTokenSourceOptions): TokenSource {
  const mint = minter(options)
  return { authorization: async ({ method, path }) => `Bearer ${await mint({ request: { method, path } })}` }
}

/**
 * Credentials for a token that somebody stored.
 *
 * @throws DepotError `INVALID_NAME` when it cannot stand in a header; the message does not repeat it.
 */
export function storedTokenSource(token: string): TokenSource {
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new DepotError('INVALID_NAME', 'not a token: it has spaces or other signs in it')
  return { authorization: () => `Bearer ${token}` }
}

const READS = ['GET', 'HEAD', 'OPTIONS']
const RENEW_MS = 120_000
/** A login that is shown last just before its renewal is still good when the request arrives. */
const READ_SECONDS = 240

type Mint = (login: Pick<Login, 'request' | 'scope' | 'seconds'>) => Promise<string>

function minter({ signer, url, issuer, now = Date.now }: SshTokenSourceOptions): Mint {
  const common = { signer, audience: url.origin, issuer }
  return (login) =>
    mintLogin({ ...common, ...login, now: Math.floor(now() / 1000), jti: randomBytes(16).toString('base64url') })
}

/** The same value for a while; whoever asks while it is made waits for that one, and a failure is not kept. */
function renewed(make: () => Promise<string>, everyMs: number, now = Date.now): () => Promise<string> {
  let current: { readonly value: Promise<string>; readonly madeAt: number } | undefined
  return async () => {
    const age = current === undefined ? Infinity : now() - current.madeAt
    // A clock that was set back would make it last longer than it is good.
    if (current === undefined || age >= everyMs || age < 0) current = { value: make(), madeAt: now() }
    const asked = current
    try {
      return await asked.value
    } catch (error) {
      if (current === asked) current = undefined
      throw error
    }
  }
}
