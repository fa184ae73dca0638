import { parseGrants } from '../../auth/grants.ts'
import type { TokenStore } from '../../auth/mint-token.ts'
import { oneStore } from '../../src/blobs/blob-stores.ts'
import { createDepot } from '../../src/create-depot.ts'
import { ANONYMOUS, type Principal } from '../../src/access.ts'
import { SILENT_EVENTS } from '../../src/events.ts'
import type { KvStore } from '../../src/kv-store.ts'
import type { TokenCaller } from '../../src/tokens.ts'
import { openMemoryBlobStore } from '../../storage/blob/memory.ts'
import { openSqliteKv } from '../../storage/kv/sqlite/store.ts'
import { lineKey } from './auth-lines.ts'
import { tempDir } from './temp-dir.ts'

export const ECOSYSTEMS = ['nix', 'npm', 'python']

/** Who calls with the SSH key of this number and these rights: layers of them, each as an auth file writes it. */
export function keyCaller(number: number, ...layers: readonly string[]): TokenCaller {
  const { fingerprint } = lineKey(number)
  const limits = layers.map((layer) => parseGrants(layer, ECOSYSTEMS))
  return callerOf({ id: fingerprint, name: `key${number}@test`, key: fingerprint, limits, credential: 'jti' })
}

export function callerOf(principal: Principal): TokenCaller {
  return { principal, address: '192.0.2.1', userAgent: 'test/1.0' }
}

export const NOBODY = callerOf(ANONYMOUS)

/** What stored tokens are kept in. */
export function tokenStore(kv: KvStore): TokenStore {
  return createDepot({ kv, blobs: oneStore(openMemoryBlobStore({})), events: SILENT_EVENTS })
}

export interface CredentialWorld extends AsyncDisposable {
  readonly kv: KvStore
  readonly store: TokenStore
  /** Milliseconds since 1970; only the test moves it. */
  readonly clock: { now: number }
  /** Every line of the audit log: who, what, on what. */
  audited(): Promise<readonly string[]>
}

/** An empty database, and a clock that stands still. */
export async function openCredentials(): Promise<CredentialWorld> {
  const dir = await tempDir('credentials')
  const kv = await openSqliteKv({ file: dir.join('depot.db') })
  return {
    kv,
    store: tokenStore(kv),
    clock: { now: 1_700_000_000_000 },
    async audited() {
      const rows = await kv.audit(0, 1000)
      return rows.map(({ principal, action, resource }) => `${principal} ${action} ${resource}`)
    },
    async [Symbol.asyncDispose]() {
      await kv[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}
