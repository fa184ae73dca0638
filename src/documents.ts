import type { Depot } from './depot.ts'
import { hasCode } from './errors.ts'
import type { Document, DocumentKey, KvStore } from './kv-store.ts'
import type { Events } from './events.ts'
import { LIMITS } from './limits.ts'

const ROUNDS = 3

/** See `Depot.document`. One rendering at a time for each document in this process. */
export function documentReader(kv: KvStore, events: Events): Depot['document'] {
  const rendering = new Map<string, Promise<unknown>>()
  const origins = new Set<string>()

  /** On loopback a client chooses the origin by its Host: the first ones are kept, any further one is rendered each time. */
  function isKept(origin: string): boolean {
    if (origins.size < LIMITS.documentOriginsMax) origins.add(origin)
    return origins.has(origin)
  }

  return async (key, render) => {
    const name = JSON.stringify([key.cache, key.kind, key.key, key.variant, key.origin])
    for (let round = 0; round < ROUNDS; round++) {
      const stored = await kv.document(key)
      if (stored !== undefined) return stored
      const other = rendering.get(name)
      if (other === undefined) break
      // Its result may be older than this request: what counts is whether a commit let it into the store.
      await other.catch(() => {})
    }
    const mine = isKept(key.origin) ? renderAndStore(kv, events, key, render) : render()
    rendering.set(name, mine)
    try {
      return await mine
    } finally {
      if (rendering.get(name) === mine) rendering.delete(name)
    }
  }
}

async function renderAndStore(
  kv: KvStore,
  events: Events,
  key: DocumentKey,
  render: Parameters<Depot['document']>[1],
): Promise<Document | undefined> {
  const rendered = await render()
  if (rendered === undefined) return undefined
  try {
    await kv.commit({ cache: key.cache, documents: [{ ...key, ...rendered }] })
  } catch (error) {
    // Reads go on while the database takes no writes: the document is then rendered again next time. A full disk was told of by itself.
    if (!hasCode(error, 'STORAGE_FULL')) events.unexpectedError(`document ${key.kind} ${key.variant}`, error)
  }
  return rendered
}
