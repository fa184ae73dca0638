import type { HeaderList } from '../../src/http/header-list.ts'
import { createTurns } from '../../src/turns.ts'
import type { Depot, Rendering } from '../../src/depot.ts'
import { DepotError, hasCode } from '../../src/errors.ts'
import { documentResponse, textResponse } from '../../src/http/respond.ts'
import type { Cache, Document, DocumentKey } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import type { LocalStore } from '../../src/local-store.ts'
import { route, type Route } from '../../src/protocol.ts'
import { shareOf } from '../../src/worker-share.ts'
import { plainBody } from './content-encoding.ts'
import { findLocal } from './local-path.ts'
import { isMissingPath } from './missing-path.ts'
import { listNar } from './nar-listing.ts'
import type { NarinfoRules } from './narinfo-rules.ts'
import { KIND_PREFIX, parsePathEntry, PATH_KIND } from './records.ts'
import { STORE_HASH_CLASS } from './store-path.ts'
import { textDocument } from './text-document.ts'
import { listTree } from './tree-listing.ts'

const PATTERN = '/:listing'
const HEADERS: HeaderList = ['Content-Type', 'application/json', 'Cache-Control', 'max-age=300']

const LISTING_NAME = new RegExp(`^(?<hash>${STORE_HASH_CLASS})\\.ls$`)

/** `<store hash>.ls`; every other word at this place belongs to somebody else. */
function parseListingName(segment: string): string | undefined {
  return LISTING_NAME.exec(segment)?.groups?.['hash']
}

/**
 * `<store hash>.ls`: what lies in a path's archive, made from the archive itself by whoever asks first. Clients that write one are
 * let be, and what they say is dropped: it comes before the archive, so nothing could be held against it. That of a path of the local
 * store is made from its files each time, of which none is read.
 */
export function listingRoutes(depot: Depot, { localStore }: Pick<NarinfoRules, 'localStore'>): readonly Route[] {
  const common = { pattern: PATTERN, params: { listing: parseListingName } } as const
  return [
    route({
      ...common,
      method: 'GET',
      action: 'read',
      hot: ({ listing }, { cache }) => ({
        document: listingKey(cache, listing),
        headers: HEADERS,
        missing: () => isMissingPath(depot, cache, listing, localStore),
      }),
      async handle(request) {
        const { cache, params } = request
        const document = await depot.document(listingKey(cache, params.listing), () =>
          render(depot, cache, params.listing),
        )
        const found = document ?? (await localListing(localStore, params.listing))
        if (found !== undefined) return documentResponse(request, found, HEADERS)
        throw new DepotError('NOT_FOUND', 'listing not found')
      },
    }),
    route({
      ...common,
      method: 'PUT',
      action: 'write',
      async handle(request) {
        await checkObject(plainBody(request, LIMITS.narListingBytesMax))
        return textResponse(200, '')
      },
    }),
  ]
}

function listingKey(cache: Cache, storeHash: string): DocumentKey {
  return { cache: cache.id, kind: PATH_KIND, key: storeHash, variant: 'ls', origin: '' }
}

async function render(depot: Depot, cache: Cache, storeHash: string): Promise<Rendering | undefined> {
  const record = await depot.get(cache, PATH_KIND, storeHash)
  if (record === undefined) return undefined
  const row = await depot.blobOf(cache, KIND_PREFIX, parsePathEntry(record).narHash)
  if (row === undefined) return undefined
  await using blob = await depot.open(row)
  return { ...textDocument(await listNar(blob.content())), sourceVersion: record.version }
}

/** Each walks through a whole tree, and holds what it found. */
const walking = createTurns(shareOf(LIMITS.localListingsAtOnce))

/** The listing of a local path, unless its files are not those of its archive. */
async function localListing(store: LocalStore | undefined, storeHash: string): Promise<Document | undefined> {
  const found = findLocal(store, storeHash)
  if (found === undefined) return undefined
  await walking.take()
  try {
    const { json, narSizeBytes } = await listTree(found.tree)
    return narSizeBytes === found.entry.narSizeBytes ? textDocument(json) : undefined
  } catch (error) {
    if (hasCode(error, 'CONTENT_MISMATCH')) return undefined
    throw error
  } finally {
    walking.giveBack()
  }
}

const SPACE = new Set([0x20, 0x09, 0x0a, 0x0d])

/** Enough to tell a client that sends something else; more would cost memory for a text that nobody reads. */
async function checkObject(body: AsyncIterable<Uint8Array>): Promise<void> {
  let first: number | undefined
  let last: number | undefined
  for await (const piece of body) {
    const inked = piece.filter((byte) => !SPACE.has(byte))
    first ??= inked[0]
    last = inked.at(-1) ?? last
  }
  if (first !== OPENING || last !== CLOSING) throw new DepotError('BAD_REQUEST', 'a listing is a JSON object')
}

const OPENING = '{'.charCodeAt(0)
const CLOSING = '}'.charCodeAt(0)
