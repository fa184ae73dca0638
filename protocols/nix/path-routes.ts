import { z } from 'zod'

import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonResponse, responseTo } from '../../src/http/respond.ts'
import type { Cache, KvRecord } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { nix32OfHex } from './nix32.ts'
import { KIND_PREFIX, parsePathEntry, PATH_KIND, UPLOAD_KIND, type PathEntry } from './records.ts'
import { indexReferrers, referrersOf } from './referrers.ts'
import { parseStoreHash, storeHash } from './store-hash.ts'
import { hashOf, printStorePath } from './store-path.ts'
import { storedPath } from './stored-path.ts'

export const PATH_PATTERN = '/-/paths/:hash'

const page = z.object({
  /** Behind this one. */
  after: storeHash.optional(),
  limit: z
    .string()
    .regex(/^\d{1,4}$/)
    .transform(Number)
    .pipe(z.int().min(1).max(LIMITS.nixListPageMax))
    .default(100),
  /** How the hash, or the name behind it, or the whole base name begins. */
  prefix: z.string().max(255).default(''),
})
type Page = z.infer<typeof page>

/**
 * `GET -/paths?after=&limit=&prefix=` lists what is stored by hash, page by page: `{"paths": […], "next"?}`, where `next` is the next page's
 * `after`. A page may be short, with a prefix also empty, with more behind it. `GET -/paths/<hash>` tells all there is to know of a path.
 */
export function pathRoutes(depot: Depot): readonly Route[] {
  return [
    route({
      method: 'GET',
      pattern: '/-/paths',
      action: 'read',
      async handle(request) {
        const wanted = parseAs(page, Object.fromEntries(request.query), 'the query')
        return answer(request, await listPaths(depot, request.cache, wanted))
      },
    }),
    route({
      method: 'GET',
      pattern: PATH_PATTERN,
      params: { hash: parseStoreHash },
      action: 'read',
      handle: async (request) => answer(request, await describe(depot, request)),
    }),
  ]
}

function answer(request: Pick<DepotRequest, 'method'>, value: PathPage | PathDescription): Response {
  return responseTo(request, jsonResponse(200, value, { 'Cache-Control': 'no-store' }))
}

/** What is told of every path. Hashes and paths as Nix prints them. */
interface PathFacts {
  readonly path: string
  readonly narHash: string
  /** Bytes. */
  readonly narSize: number
  /** When it was stored, in milliseconds since 1970, where that was noted. */
  readonly since?: number
}

interface ListedPath extends PathFacts {
  /** How many. */
  readonly references: number
}

interface PathPage {
  readonly paths: readonly ListedPath[]
  /** Where the next page begins; absent on the last one. */
  readonly next?: string | undefined
}

interface PathDescription extends PathFacts {
  readonly references: readonly string[]
  /** Stored paths that refer to this one, the first of them. */
  readonly referrers: readonly string[]
  /** There are more referrers than these. */
  readonly moreReferrers?: true
  readonly deriver?: string
  readonly ca?: string
  /** Those that came with it and were kept; the depot's own are made for each answer. */
  readonly signatures: readonly string[]
  /** Bytes in storage; absent when the archive is not to be had, because its bytes are damaged or gone. */
  readonly storedSize?: number
  /** The names that its archive came by. */
  readonly uploads: readonly string[]
}

async function listPaths(depot: Depot, cache: Cache, { after, limit, prefix }: Page): Promise<PathPage> {
  const scanMax = prefix === '' ? limit : LIMITS.nixListScanMax
  const paths: ListedPath[] = []
  let next = after
  let characters = 0
  for (let scanned = 0; scanned < scanMax;) {
    const step = Math.min(LIMITS.nixListReadAtOnce, scanMax - scanned)
    const records = await readSome(depot, cache, next, step)
    for (const { key, value } of records) {
      if (paths.length === limit || characters >= LIMITS.nixListCharactersMax) return { paths, next }
      await breath()
      const entry = parsePathEntry({ value })
      if (begins(entry.baseName, prefix)) paths.push({ ...factsOf(entry), references: entry.references.length })
      next = key
      characters += value.length
    }
    if (records.length < step) return { paths }
    scanned += step
  }
  return { paths, next }
}

async function readSome(
  depot: Depot,
  cache: Cache,
  after: string | undefined,
  limit: number,
): Promise<readonly KvRecord[]> {
  return depot.kv.list(cache.id, PATH_KIND, { from: '', limit, ...(after === undefined ? {} : { after }) })
}

function begins(baseName: string, prefix: string): boolean {
  return baseName.startsWith(prefix) || baseName.startsWith(prefix, `${hashOf(baseName)}-`.length)
}

function factsOf({ baseName, narHash, narSizeBytes, since }: PathEntry): PathFacts {
  return {
    path: printStorePath(baseName),
    narHash: `sha256:${nix32OfHex(narHash)}`,
    narSize: narSizeBytes,
    ...(since === undefined ? {} : { since }),
  }
}

async function describe(
  depot: Depot,
  { cache, params }: DepotRequest<{ readonly hash: string }>,
): Promise<PathDescription> {
  const path = await storedPath(depot, cache, params.hash)
  if (path === undefined) throw new DepotError('NOT_FOUND', 'path not found')
  const { entry } = path
  const { references, deriver, ca, signatures, narHash } = entry
  const row = await depot.blobOf(cache, KIND_PREFIX, narHash)
  const holders = await depot.kv.holders(cache.id, UPLOAD_KIND, narHash, LIMITS.nixReferrersToldMax)
  const { referrers, more } = await referrersTold(depot, cache, params.hash)
  return {
    ...factsOf(entry),
    references: references.map(printStorePath),
    referrers,
    ...(more ? { moreReferrers: true } : {}),
    ...(deriver === undefined ? {} : { deriver: printStorePath(deriver) }),
    ...(ca === undefined ? {} : { ca }),
    signatures,
    ...(row === undefined ? {} : { storedSize: row.storedBytes }),
    uploads: holders.filter(({ kind }) => kind === UPLOAD_KIND).map(({ key }) => `nar/${key}`),
  }
}

async function referrersTold(
  depot: Depot,
  cache: Cache,
  hash: string,
): Promise<{ readonly referrers: readonly string[]; readonly more: boolean }> {
  await indexReferrers(depot, cache)
  const referrers: string[] = []
  for await (const referrer of referrersOf(depot, cache, hash)) {
    if (referrers.length === LIMITS.nixReferrersToldMax) return { referrers, more: true }
    const path = await storedPath(depot, cache, referrer)
    if (path !== undefined) referrers.push(printStorePath(path.entry.baseName))
  }
  return { referrers, more: false }
}
