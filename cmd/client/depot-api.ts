import { z } from 'zod'

import { askApi, callApi, readAnswer, type ApiAnswer, type Connection } from './api.ts'
import { plain } from '../terminal/plain.ts'

/** Words that end up on a terminal. */
const WORDS = z.string().transform(plain)
/** Milliseconds since 1970, as far as they can be written as a date. */
const TIME = z.number().min(0).max(8_640_000_000_000_000)

const SESSION = z.object({
  principal: z.object({ id: WORDS, name: WORDS, key: WORDS }),
  grants: z.array(WORDS),
  /** It asks nobody for credentials, and gives none. */
  open: z.boolean(),
  expiresAt: TIME.optional(),
  /** Of the depot's program; one that does not tell is older than this. */
  version: z.string().max(64).optional(),
})

const TOKEN_INFO = z.object({
  id: WORDS,
  name: WORDS,
  grants: z.array(WORDS),
  key: WORDS,
  createdAt: TIME,
  expiresAt: TIME,
  revokedAt: TIME.optional(),
  lastUsedAt: TIME.optional(),
})

/** Who a depot thinks we are. Times are milliseconds since 1970, grants as they are written: `npm:read:*`. */
export type Session = z.infer<typeof SESSION>
export type TokenInfo = z.infer<typeof TOKEN_INFO>

/** Ask who we are. Undefined when our credentials are not good there. @throws DepotError */
export async function askSession(
  connection: Connection,
): Promise<{ readonly session: Session | undefined; readonly answer: ApiAnswer }> {
  const answer = await askApi(connection, { method: 'GET', path: '/-/session' })
  return { answer, session: answer.status === 401 ? undefined : readAnswer(answer, SESSION, connection.url) }
}

/** @throws DepotError, `FORBIDDEN` for grants that we do not have ourselves */
export function createToken(
  connection: Connection,
  request: { readonly name: string; readonly grants: readonly string[]; readonly seconds?: number },
): Promise<{ readonly token: string; readonly info: TokenInfo }> {
  const made = z.object({ token: z.string().regex(/^dpt_\w+$/), info: TOKEN_INFO })
  return callApi(connection, { method: 'POST', path: '/-/tokens', body: request }, made)
}

/** The tokens that we may see, youngest first. @throws DepotError */
export async function listTokens(connection: Connection): Promise<readonly TokenInfo[]> {
  const { tokens } = await callApi(
    connection,
    { method: 'GET', path: '/-/tokens' },
    z.object({ tokens: z.array(TOKEN_INFO) }),
  )
  return tokens
}

/** @throws DepotError, `NOT_FOUND` for one that is not there or not ours */
export async function revokeToken(connection: Connection, id: string): Promise<void> {
  await callApi(connection, { method: 'DELETE', path: `/-/tokens/${encodeURIComponent(id)}` }, z.unknown())
}

/** Which client waits with this code, and from where. @throws DepotError, `NOT_FOUND` when none does */
export function waitingLogin(
  connection: Connection,
  code: string,
): Promise<{ readonly client: string; readonly address: string }> {
  const waiting = z.object({ client: WORDS, address: WORDS })
  return callApi(connection, { method: 'GET', path: `/-/logins/${encodeURIComponent(code)}` }, waiting)
}

/** Give the client that waits with this code a token. @throws DepotError, `NOT_FOUND` when none waits with it */
export function approveLogin(
  connection: Connection,
  code: string,
): Promise<{ readonly client: string; readonly grants: readonly string[] }> {
  const approved = z.object({ client: WORDS, grants: z.array(WORDS) })
  return callApi(connection, { method: 'POST', path: `/-/logins/${encodeURIComponent(code)}`, body: {} }, approved)
}

/** The keys that this depot signs for Nix with, `name:base64`; none when it does not serve Nix. @throws DepotError */
export async function nixPublicKeys(connection: Connection): Promise<readonly string[]> {
  const { status, text } = await askApi(connection, { method: 'GET', path: '/nix/nix-cache-info' })
  if (status !== 200) return []
  return [...text.matchAll(/^PublicKey: (?<key>[\w.-]+:[A-Za-z0-9+/]+=*)\r?$/gm)].map(
    ({ groups }) => groups?.['key'] ?? '',
  )
}
