import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { readJson } from '../../src/http/body.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import type { Cache } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { npmKeyAuditEntry } from './audit-line.ts'
import { KIND } from './records.ts'
import { parseSentKeys, parseStoredKey, type PublicKeyEntry, type RegistryKeys } from './signing.ts'

/**
 * `/-/npm/v1/keys`: the public keys that `npm audit signatures` and `pnpm audit signatures` check packages with. Beside our own stand
 * those of other registries, whose packages are here: whoever administers all of npm here brings them in, and takes them away.
 */
export function keysRoutes(depot: Depot, keys: RegistryKeys | undefined): readonly Route[] {
  const own = keys?.published ?? []
  return [
    route({
      method: 'GET',
      pattern: '/-/npm/v1/keys',
      action: 'public',
      async handle({ cache }) {
        const ids = new Set(own.map(({ keyid }) => keyid))
        const brought = (await storedKeys(depot, cache)).filter(({ keyid }) => !ids.has(keyid))
        // Clients then check nothing, rather than miss signatures.
        if (own.length + brought.length === 0) throw new DepotError('NOT_FOUND', 'this depot signs no packages')
        return jsonResponse(200, { keys: [...own, ...brought] }, { 'Cache-Control': 'no-cache' })
      },
    }),
    route({
      method: 'PUT',
      pattern: '/-/npm/v1/keys',
      action: 'admin',
      handle: (request) => putKeys(depot, request, own),
    }),
    route({
      method: 'DELETE',
      pattern: '/-/npm/v1/keys/:keyid',
      params: { keyid: (segment: string) => segment },
      action: 'admin',
      handle: (request) => deleteKey(depot, request),
    }),
  ]
}

async function storedKeys(depot: Depot, cache: Cache): Promise<readonly PublicKeyEntry[]> {
  const found: PublicKeyEntry[] = []
  for await (const { value } of depot.all(cache, KIND.registryKey)) found.push(parseStoredKey(value))
  return found
}

/** Add keys to those that are here. A key that is here may get or change its date of expiry; no id changes its key. */
async function putKeys(depot: Depot, request: DepotRequest, own: readonly PublicKeyEntry[]): Promise<Response> {
  const { cache } = request
  const sent = parseSentKeys(await readJson(request, LIMITS.npmRegistryKeysBytesMax))
  const byId = new Map(sent.map((entry) => [entry.keyid, entry]))
  for (const { keyid, key } of own) {
    requireSameKey(byId.get(keyid), key)
    byId.delete(keyid)
  }
  await depot.retryConflicts(async () => {
    const puts = []
    for (const [keyid, entry] of byId) {
      const before = await depot.get(cache, KIND.registryKey, keyid)
      if (before !== undefined) requireSameKey(entry, parseStoredKey(before.value).key)
      const value = JSON.stringify(entry)
      if (before?.value !== value)
        puts.push({ kind: KIND.registryKey, key: keyid, value, expected: before?.version ?? 0 })
    }
    if (puts.length === 0) return
    const ids = new Set([...(await storedKeys(depot, cache)).map(({ keyid }) => keyid), ...byId.keys()])
    if (ids.size > LIMITS.npmRegistryKeysMax)
      throw new DepotError('TOO_LARGE', `there would be more than ${LIMITS.npmRegistryKeysMax} keys: delete some first`)
    await depot.commit(cache, { puts, audit: puts.map(({ key }) => npmKeyAuditEntry(request, key)) })
  })
  return jsonResponse(200, { ok: 'the keys are here', success: true })
}

/** @throws DepotError `CONFLICT` */
function requireSameKey(entry: PublicKeyEntry | undefined, key: string): void {
  if (entry === undefined || entry.key === key) return
  throw new DepotError('CONFLICT', `${entry.keyid} is the id of another key here`)
}

async function deleteKey(depot: Depot, request: DepotRequest<{ keyid: string }>): Promise<Response> {
  const { cache, params } = request
  const { keyid } = params
  await depot.retryConflicts(async () => {
    const found = await depot.get(cache, KIND.registryKey, keyid)
    if (found === undefined) throw new DepotError('NOT_FOUND', 'no such key was brought in: see /-/npm/v1/keys')
    await depot.commit(cache, {
      deletes: [{ kind: KIND.registryKey, key: keyid, expected: found.version }],
      audit: [npmKeyAuditEntry(request, keyid, 'delete')],
    })
  })
  return jsonResponse(200, { ok: 'the key is not told any more', success: true })
}
