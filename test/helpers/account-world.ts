import { parseGrants } from '../../auth/grants.ts'
import { storedTokens } from '../../auth/stored-tokens.ts'
import type { TokenInfo } from '../../src/tokens.ts'
import { lineKey } from './auth-lines.ts'
import { ECOSYSTEMS, keyCaller } from './credentials.ts'
import { startWorld, type World, type WorldOptions } from './world.ts'

export interface AccountWorld extends World {
  /** A token of key 1, which may do everything, or of another one: made without a request. */
  token(grants: string, key?: number): Promise<{ readonly token: string; readonly info: TokenInfo }>
  /** A request with this token, and JSON when there is a body. */
  ask(method: string, path: string, token?: string, body?: unknown): Promise<Response>
}

export interface AccountOptions extends Omit<WorldOptions, 'authFile'> {
  /** Who may read without credentials; `closed` unless told otherwise. */
  readonly reads?: 'open' | 'closed'
}

/** A depot with an auth file: key 1 may write everything, key 2 only `@acme/*` of npm; where reads are closed, key 3 may only read. */
export async function startAccountWorld({ reads = 'closed', ...options }: AccountOptions = {}): Promise<AccountWorld> {
  const all = ['w KEY owner@test', 'w KEY acme@test scope=npm:*:@acme/*', 'r KEY reader@test']
  const lines = reads === 'open' ? all.filter((line) => line.startsWith('w')) : all
  const authFile = lines.map((line, index) => line.replace('KEY', lineKey(index + 1).text)).join('\n')
  const world = await startWorld({ ...options, authFile })
  const tokens = storedTokens({ store: world.depot })
  return {
    ...world,
    token: (grants, key = 1) =>
      tokens.create(keyCaller(key, '*:*:*'), { name: `token of ${key}`, grants: parseGrants(grants, ECOSYSTEMS) }),
    ask: (method, path, token, body) =>
      world.fetch(path, {
        method,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
  }
}
