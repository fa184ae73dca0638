import { createAccess } from '../../auth/access.ts'
import { liveKey } from '../../auth/auth-file.ts'
import { loginAttempts } from '../../auth/login-attempts.ts'
import { storedTokens } from '../../auth/stored-tokens.ts'
import { createUsedLogins } from '../../auth/used-logins.ts'
import { openAuthFile } from '../../auth/watch-auth-file.ts'
import { ECOSYSTEMS } from '../../protocols/index.ts'
import { clockOf } from '../../src/clock.ts'
import { accountsOf, type BootAuthOptions, type BootedAuth } from './booted-auth.ts'

/**
 * Wire up an auth file: its keys and the tokens that they made decide.
 *
 * @throws DepotError `BAD_REQUEST` for an auth file with a bad line
 */
export async function bootKeys({
  config,
  depot,
  warn,
  siblings,
  authFile: followed,
  file,
}: BootAuthOptions & { readonly file: string }): Promise<BootedAuth> {
  const { events } = depot
  const authFile = followed ?? (await openAuthFile({ file, ecosystems: ECOSYSTEMS, events, warn }))
  const attempts = loginAttempts(siblings)
  const now = clockOf(depot)
  const knowsKey = (fingerprint: string): boolean => liveKey(authFile.current(), fingerprint, now()) !== undefined
  const stored = storedTokens({ store: depot, knowsKey, now })
  const access = createAccess({
    authFile,
    tokens: stored,
    usedLogins: createUsedLogins(depot.kv, () => Math.floor(now() / 1000)),
    readAuth: config.readAuth,
    audiencesOf: (host) => (config.audiences.length > 0 ? config.audiences : hostAudience(host)),
    pathPrefix: config.publicUrl === undefined ? '' : new URL(config.publicUrl).pathname.replace(/\/$/, ''),
    ecosystems: ECOSYSTEMS,
    events,
    attempts,
    now,
  })
  siblings.hear((news) => {
    if (news !== 'credentials changed') return
    access.forget()
    // A view from before it would have the credential remembered again.
    depot.kv.readAnew?.()
  })
  const tokens = {
    ...stored,
    // Other servers see it when they next look; this one at once, in all of its processes.
    async revoke(...args: Parameters<typeof stored.revoke>) {
      try {
        await stored.revoke(...args)
      } finally {
        access.forget()
        await siblings.tell('credentials changed')
      }
    },
  }
  return {
    access,
    ...accountsOf({ depot, tokens, attempts, open: false }),
    readsAreOpen: () => access.readsAreOpen(),
    reload: () => authFile.reload(),
    [Symbol.asyncDispose]: () => authFile[Symbol.asyncDispose](),
  }
}

/** On loopback, and without a public URL, the Host has been checked to be this machine. */
function hostAudience(host: string | undefined): readonly string[] {
  const url = host === undefined ? null : URL.parse(`http://${host}`)
  return url === null ? [] : [url.origin]
}
