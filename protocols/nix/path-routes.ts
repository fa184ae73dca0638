import { z } from 'zod'

import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonResponse } from '../../src/http/respond.ts'
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
      async handle({ cache, query, method }) {
        const wanted = parseAs(page, Object.fromEntries(query), 'the query')
        return answer(method, await listPaths(depot, cache, wanted))
      },
    }),
    route({
      method: 'GET',
      pattern: PATH_PATTERN,
      params: { hash: parseStoreHash },
      action: 'read',
      handle: async (request) => answer(request.method, await describe(depot, request)),
    }),
  ]
}

function answer(method: string, value: object): Response {
  const response = jsonResponse(200, value, { 'Cache-Control': 'no-store' })
  return method === 'HEAD' ? new Response(null, response) : response
}

async function listPaths(depot: Depot, cache: Cache, { after, limit, prefix }: Page): Promise<object> {
  const scanMax = prefix === '' ? limit : LIMITS.nixListScanMax
  const paths: ReturnType<typeof facts>[] = []
  let next = after
  let characters = 0
  for (let scanned = 0; scanned < scanMax;) {
    const step = Math.min(LIMITS.nixListReadAtOnce, scanMax - scanned)
    const records = await readSome(depot, cache, next, step)
    for (const { key, value } of records) {
      if (paths.length === limit || characters >= LIMITS.nixListCharactersMax) return { paths, next }
      await breath()
      const entry = parsePathEntry({ value })
      if (begins(entry.baseName, prefix)) paths.push(facts(entry))
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

function facts({ baseName, narHash, narSizeBytes, references, since }: PathEntry) {
  return {
    path: printStorePath(baseName),
    narHash: `sha256:${nix32OfHex(narHash)}`,
    narSize: narSizeBytes,
    references: references.length,
    ...(since === undefined ? {} : { since }),
  }
}

async function describe(depot: Depot, { cache, params }: DepotRequest<{ readonly hash: string }>): Promise<object> {
  const path = await storedPath(depot, cache, params.hash)
  if (path === undefined) throw new DepotError('NOT_FOUND', 'path not found')
  const { entry } = path
  const { references, deriver, ca, signatures, narHash } = entry
  const row = await depot.blobOf(cache, KIND_PREFIX, narHash)
  const holders = await depot.kv.holders(cache.id, UPLOAD_KIND, narHash, LIMITS.nixReferrersToldMax)
  const { referrers, more } = await referrersTold(depot, cache, params.hash)
  return {
    ...facts(entry),
    references: references.map(printStorePath),
    referrers,
    // Told of the first of them only.
    ...(more ? { moreReferrers: true } : {}),
    ...(deriver === undefined ? {} : { deriver: printStorePath(deriver) }),
    ...(ca === undefined ? {} : { ca }),
    signatures,
    // Without it the archive is not to be had: its bytes are damaged or gone.
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
