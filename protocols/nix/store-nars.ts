import type { Depot, StagedBlob } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { BlobRow, Cache } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { auditEntry, type Caller } from '../../src/protocol.ts'
import { createTurns } from '../../src/turns.ts'
import { createNarParser } from './nar-parser.ts'
import { nix32OfHex } from './nix32.ts'
import { UPLOAD_KIND, type Upload } from './records.ts'
import { stringsOf } from './strings-of.ts'

/**
 * Take in archives that come one behind the other, each behind its length, and return their digests as hex. They become durable side by
 * side and visible together, in one commit.
 *
 * @throws DepotError `CONTENT_MISMATCH` when one is no archive or they are not whole, `TOO_LARGE` for too many; whatever `bytes` throws
 */
export async function storeNars(
  depot: Depot,
  caller: Caller,
  bytes: AsyncIterable<Uint8Array>,
): Promise<readonly string[]> {
  const rows = await publishAll(depot, caller.cache, bytes)
  const distinct = [...new Map(rows.map((row) => [row.digest, row])).values()]
  const named = distinct.map((row) => ({ row, key: `${nix32OfHex(row.digest)}.nar` }))
  await depot.commit(caller.cache, {
    puts: named.map(({ row, key }) => ({
      kind: UPLOAD_KIND,
      key,
      value: JSON.stringify(plainUpload(row)),
      refs: [row.digest],
    })),
    blobs: distinct,
    audit: named.map(({ row, key }) =>
      auditEntry(caller, { action: 'nix:write', resource: `nar/${key}`, digest: row.digest }),
    ),
  })
  for (const { key } of named) depot.events.recordWritten('nix', key)
  return rows.map(({ digest }) => digest)
}

async function publishAll(depot: Depot, cache: Cache, bytes: AsyncIterable<Uint8Array>): Promise<readonly BlobRow[]> {
  const turns = createTurns(LIMITS.narsPublishedAtOnce)
  const publishing: Promise<BlobRow>[] = []
  try {
    for await (const archive of stringsOf(bytes, LIMITS.manyNarsBytesMax)) {
      if (publishing.length === LIMITS.manyNarsMax)
        throw new DepotError('TOO_LARGE', `more than ${LIMITS.manyNarsMax} archives in one request`)
      await turns.take()
      const published = publish(await stageNar(depot, cache, archive)).finally(() => turns.giveBack())
      // It is awaited when all have come; until then a failure must not count as unhandled.
      published.catch(() => {})
      publishing.push(published)
    }
  } finally {
    await Promise.allSettled(publishing)
  }
  return Promise.all(publishing)
}

async function stageNar(depot: Depot, cache: Cache, archive: AsyncIterable<Uint8Array>): Promise<StagedBlob> {
  const parser = createNarParser()
  const staged = await depot.stage(cache, archive, { encoding: 'zstd', inspect: (piece) => parser.push(piece) })
  try {
    parser.end()
    return staged
  } catch (error) {
    await staged[Symbol.asyncDispose]()
    throw error
  }
}

async function publish(blob: StagedBlob): Promise<BlobRow> {
  await using staged = blob
  return await staged.publish()
}

/** As if the archive had come alone under its own name. */
function plainUpload({ digest, sizeBytes }: BlobRow): Upload {
  return { codec: 'none', fileHash: digest, fileSizeBytes: sizeBytes, narHash: digest, narSizeBytes: sizeBytes, crc: 0 }
}
