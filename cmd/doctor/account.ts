import { hasCode, type DepotError } from '../../src/errors.ts'
import { openDepot, sessionOf } from '../client/client.ts'
import { listTokens } from '../client/depot-api.ts'
import { depotKey } from '../client/depot-url.ts'
import { readProfiles } from '../client/profiles.ts'
import { depotVersion } from '../version.ts'
import type { ClientContext } from './client-context.ts'
import { fail, ok, skip, warn, type Finding } from './finding.ts'
import { judgeVersions } from './version-gap.ts'

/** Who the depot takes us for, and whether the tokens that `depot use` wrote are still good. */
export async function checkAccount(context: ClientContext): Promise<readonly Finding[]> {
  const { url, env, io, flags } = context
  if ((await context.caFile()) !== undefined) return [skip('depot does not trust the certificate')]
  // Whoever signs waits longer for an answer than all of this may take.
  await context.ask('/-/session')
  // Nobody is asked for a passphrase: this command is to end by itself.
  const silent = { ...env, SSH_ASKPASS_REQUIRE: 'force', SSH_ASKPASS: '' }
  try {
    const opened = await openDepot({ url: depotKey(url), flags, env: silent, io })
    const session = await sessionOf(opened)
    const versions = judgeVersions(session.version, depotVersion())
    if (session.open) return [ok('anonymous: it asks nobody for credentials'), ...versions]
    const tokens = await listTokens(opened).catch(() => [])
    const used = (await readProfiles(env)).depots[depotKey(url)]?.tokens ?? []
    const ended = used.filter(({ id }) => tokens.some((token) => token.id === id && isOver(token, Date.now())))
    return [
      ok(`${session.principal.name || session.principal.id}, who may ${session.grants.join(' ')}`),
      ...ended.map(({ id, files }) =>
        fail(`the token ${id}, which stands in ${files.join(', ')}, is over`, `depot use ${depotKey(url)}`),
      ),
      ...versions,
    ]
  } catch (error) {
    if (!hasCode(error, 'UNAUTHENTICATED')) throw error
    return [await unknown(context, error)]
  }
}

async function unknown({ url, cacheInfo }: ClientContext, error: DepotError): Promise<Finding> {
  const login = `depot login ${depotKey(url)}`
  const readable = (await cacheInfo()).status === 200
  return readable ? warn(`you may read, and not write: ${error.message}`, login) : fail(error.message, login)
}

function isOver(token: { readonly expiresAt: number; readonly revokedAt?: number | undefined }, now: number): boolean {
  return token.revokedAt !== undefined || token.expiresAt <= now
}
