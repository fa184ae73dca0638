import { z } from 'zod'

import { callApi, type Connection } from '../client/api.ts'
import { plain } from '../terminal/plain.ts'

/** Words that end up on a terminal. */
const WORDS = z.string().transform(plain)
const COUNT = z.number().int().nonnegative()
const TIME = z.number().min(0).max(8_640_000_000_000_000)

const FACTS = {
  path: WORDS,
  narHash: WORDS,
  narSize: COUNT,
  /** When it was stored, if that was noted. */
  since: TIME.optional(),
}

const LISTED = z.object({ ...FACTS, references: COUNT })
const INFO = z.object({
  ...FACTS,
  references: z.array(WORDS),
  referrers: z.array(WORDS),
  moreReferrers: z.boolean().optional(),
  deriver: WORDS.optional(),
  ca: WORDS.optional(),
  signatures: z.array(WORDS),
  storedSize: COUNT.optional(),
  uploads: z.array(WORDS),
})
const GOING = z.object({ path: WORDS, narSize: COUNT })

/** A store path in a depot; sizes in bytes, times in milliseconds since 1970. */
export type ListedPath = z.infer<typeof LISTED>
export type PathInfo = z.infer<typeof INFO>
export type GoingPath = z.infer<typeof GOING>

const PAGE = 1000

/** All stored paths whose hash, name or base name begins so, page by page; pages may be empty. @throws DepotError */
export async function* listPaths(connection: Connection, prefix: string): AsyncGenerator<readonly ListedPath[]> {
  const page = z.object({ paths: z.array(LISTED), next: z.string().optional() })
  let after: string | undefined
  do {
    const query = new URLSearchParams({ limit: String(PAGE), prefix, ...(after === undefined ? {} : { after }) })
    const answer = await callApi(connection, { method: 'GET', path: `/nix/-/paths?${query.toString()}` }, page)
    yield answer.paths
    // One that leads nowhere would have us ask for ever.
    after = answer.next !== undefined && answer.next > (after ?? '') ? answer.next : undefined
  } while (after !== undefined)
}

/** @throws DepotError, `NOT_FOUND` for one that is not there */
export function pathInfo(connection: Connection, hash: string): Promise<PathInfo> {
  return callApi(connection, { method: 'GET', path: `/nix/-/paths/${hash}` }, INFO)
}

export interface DeletionRequest {
  /** Hashes of store paths. */
  readonly paths: readonly string[]
  readonly also?: 'closure' | 'referrers'
  readonly dryRun?: boolean
}

/** Delete store paths, or tell what would go and in which order. @throws DepotError, `CONFLICT` when others need them */
export async function deletePaths(connection: Connection, request: DeletionRequest): Promise<readonly GoingPath[]> {
  const answer = z.object({ paths: z.array(GOING) })
  return (await callApi(connection, { method: 'POST', path: '/nix/-/deletions', body: request }, answer)).paths
}
