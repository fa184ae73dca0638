import type { BlobStores } from './blobs/blob-stores.ts'
import type { Depot } from './depot.ts'
import { documentReader } from './documents.ts'
import { hasCode } from './errors.ts'
import type { Events } from './events.ts'
import type { Cache, KvRecord, KvStore } from './kv-store.ts'
import { prefixEnd } from './key-prefix.ts'
import { LIMITS } from './limits.ts'
import { openBlob } from './blobs/read-blob.ts'
import { createRedirects, type RedirectRules } from './redirects.ts'
import { stageBlob } from './blobs/write-blob.ts'

export interface DepotOptions {
  readonly blobs: BlobStores
  readonly kv: KvStore
  readonly events: Events
  /** Who fetches blobs from their store itself; nobody when absent. */
  readonly redirects?: RedirectRules | undefined
}

/** A depot over two opened stores; whoever opened them closes them. */
export function createDepot({ blobs, kv, events, redirects }: DepotOptions): Depot {
  const reading = { blobs, kv, events: { ...events, blobMisread: nowAndThen(events.blobMisread) } }
  return {
    kv,
    blobs,
    events,
    stage: (cache, content, options) => stageBlob({ blobs, kv, events }, cache.domain, content, options),
    open: (row, reads) => openBlob(reading, row, reads),
    urlOf: createRedirects(blobs, redirects),
    get: async (cache, kind, key) => kv.get(cache.id, kind, key),
    all: (cache, kind, prefix = '') => allRecords(kv, cache, kind, prefix),
    blobOf: async (cache, kindPrefix, digest) => kv.blobOf(cache.id, kindPrefix, digest),
    commit: (cache, change) => kv.commit({ cache: cache.id, ...change }),
    retryConflicts,
    document: documentReader(kv, events),
  }
}

/** A store that gives wrong bytes does so to every reader. */
function nowAndThen(tell: Events['blobMisread']): Events['blobMisread'] {
  let toldAtMs = -Infinity
  return (row, reason) => {
    if (performance.now() - toldAtMs < LIMITS.misreadToldMs) return
    toldAtMs = performance.now()
    tell(row, reason)
  }
}

const PAGE = 500

async function* allRecords(kv: KvStore, cache: Cache, kind: string, prefix: string): AsyncGenerator<KvRecord> {
  const bounds = prefix === '' ? { from: '' } : { from: prefix, to: prefixEnd(prefix) }
  let page = await kv.list(cache.id, kind, { ...bounds, limit: PAGE })
  while (page.length > 0) {
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    // A store that answers at once leaves no gap in which others are served, however many pages there are.
    await new Promise((resolve) => setImmediate(resolve))
    page = await kv.list(cache.id, kind, { ...bounds, after: last.key, limit: PAGE })
  }
}

/** A hundred writers of one record take a hundred rounds, so time is the bound. The pauses keep them out of step. */
async function retryConflicts<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + LIMITS.conflictRetryMs
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (!hasCode(error, 'WRITE_CONFLICT') || performance.now() > deadline) throw error
    }
    const pauseMs = Math.random() * Math.min(tries, LIMITS.conflictPauseMsMax)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
