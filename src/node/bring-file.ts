import type { BundledBlob } from '../bundle/layout.ts'
import type { SavedFolder } from '../client/saved-files.ts'
import { DepotError } from '../errors.ts'

export interface FileToBring {
  readonly folder: SavedFolder
  readonly path: string
  readonly blob: BundledBlob
  /** Its bytes from `start` on: what came in an earlier run is not read again. */
  readonly read: (start: number) => AsyncIterable<Uint8Array>
  readonly moved: (bytes: number) => void
}

/**
 * Put bytes into a folder. They become visible only when they are those of this digest.
 *
 * @throws DepotError `CONTENT_MISMATCH` when they are not, and what reading and writing throw
 */
export async function bringFile({ folder, path, blob, read, moved }: FileToBring): Promise<void> {
  await using receiving = await folder.receive(path, ['sha256'])
  if (receiving.sizeBytes > blob.sizeBytes) await receiving.restart()
  const resumed = receiving.sizeBytes > 0
  moved(receiving.sizeBytes)
  for (const last of resumed ? [false, true] : [true]) {
    if (receiving.sizeBytes < blob.sizeBytes) {
      for await (const piece of read(receiving.sizeBytes)) {
        if (receiving.sizeBytes + piece.length > blob.sizeBytes) break
        await receiving.write(piece)
        moved(piece.length)
      }
    }
    if (receiving.sizeBytes === blob.sizeBytes && receiving.hashes().sha256 === blob.sha256)
      return await receiving.publish()
    // What was left of an earlier run may be of other bytes: once from the beginning.
    await receiving.restart()
    if (last) throw new DepotError('CONTENT_MISMATCH', `${path} is not what the bundle says it is: was it changed?`)
  }
}
