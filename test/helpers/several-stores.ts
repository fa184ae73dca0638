import { readdirSync } from 'node:fs'

import { createDepot } from '../../src/create-depot.ts'
import type { Depot } from '../../src/depot.ts'
import { SILENT_EVENTS, type Events } from '../../src/events.ts'
import { MAIN_CACHE, type BlobRow } from '../../src/kv-store.ts'
import type { PlacementStrategy } from '../../src/blobs/placement.ts'
import type { StoreOptions } from '../../storage/open-stores.ts'
import { openStorage } from '../../storage/open.ts'
import { inPieces } from './depot.ts'
import type { TempDir } from './temp-dir.ts'

export interface SeveralOptions {
  readonly dir: TempDir
  readonly databaseUrl: string
  readonly placement: PlacementStrategy
  /** Folders by the name of their store; one of the temporary folder when only the name is given. */
  readonly stores: readonly (string | (Partial<StoreOptions> & { readonly name: string }))[]
}

/** A depot over several folders. */
export interface SeveralDepot extends AsyncDisposable {
  readonly depot: Depot
  /** What an operator was told, and what the log says of stores. */
  readonly told: readonly string[]
}

export function severalConfig({ dir, placement, stores }: Omit<SeveralOptions, 'databaseUrl'>) {
  const [first, ...others] = stores.map((store): StoreOptions => {
    const some = typeof store === 'string' ? { name: store } : store
    return { place: { type: 'fs', path: dir.join(some.name) }, splitPercent: 0, readOnly: false, ...some }
  })
  if (first === undefined) throw new Error('no stores')
  return { placement, stores: [first, ...others] as const }
}

/** What the log says of stores goes into `told`. */
export function storeEvents(told: string[]): Events {
  return {
    ...SILENT_EVENTS,
    storeFailed: (store, code) => void told.push(`${store} ${code}`),
    storeRecovered: (store) => void told.push(`${store} is back`),
  }
}

export async function openSeveral(options: SeveralOptions): Promise<SeveralDepot> {
  const { dir, databaseUrl } = options
  const told: string[] = []
  const events = storeEvents(told)
  const { kv, blobs } = await openStorage({
    storePath: dir.path,
    databaseUrl,
    storageType: 'fs',
    stores: severalConfig(options),
    events,
    warn: (message) => void told.push(message),
  })
  return {
    depot: createDepot({ kv, blobs, events }),
    told,
    async [Symbol.asyncDispose]() {
      await kv[Symbol.asyncDispose]()
      await blobs[Symbol.asyncDispose]()
    },
  }
}

/** Store content under a record of the same name, as a protocol does. */
export async function storeBlob(
  depot: Depot,
  content: string | Uint8Array,
  key = `k${Math.random()}`,
): Promise<BlobRow> {
  await using staged = await depot.stage(MAIN_CACHE, inPieces(Buffer.from(content)), { encoding: 'raw' })
  const row = await staged.publish()
  await depot.commit(MAIN_CACHE, { puts: [{ kind: 'test', key, value: '{}', refs: [row.digest] }], blobs: [row] })
  return row
}

/** Digests of what lies in a folder, published or on its way. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .toSorted()
}
