import { createDepot } from '../../src/create-depot.ts'
import type { Depot } from '../../src/depot.ts'
import { SILENT_EVENTS, type Events } from '../../src/events.ts'
import { openStorage } from '../../storage/open.ts'
import { tempDir } from './temp-dir.ts'
import { openTestStorage } from './test-storage.ts'

export interface TestDepot extends AsyncDisposable {
  readonly depot: Depot
  readonly dir: string
  /** Digests that were taken out of service. */
  readonly quarantined: readonly string[]
}

/** A depot without a server, over SQLite and files in a temporary folder, or what `describeOn` says. */
export async function openTestDepot(): Promise<TestDepot> {
  const dir = await tempDir('depot')
  const place = await openTestStorage(dir)
  const storage = await openStorage({ ...place.options, storePath: dir.path })
  const quarantined: string[] = []
  const events: Events = { ...SILENT_EVENTS, blobQuarantined: ({ digest }) => void quarantined.push(digest) }
  return {
    depot: createDepot({ ...storage, events }),
    dir: dir.path,
    quarantined,
    async [Symbol.asyncDispose]() {
      await storage.kv[Symbol.asyncDispose]()
      await storage.blobs[Symbol.asyncDispose]()
      await place[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}

/** Content in pieces of odd length, as a network delivers it. */
export async function* inPieces(bytes: Uint8Array, pieceBytes = 60_001): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}

/** Everything an async iterable gives, joined. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of chunks) pieces.push(Uint8Array.from(piece))
  return Buffer.concat(pieces)
}
