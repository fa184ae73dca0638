import { DepotError } from '../errors.ts'
import { carriedBlobs } from './layout.ts'
import type { BundleContent } from './read-tar.ts'
import { held } from './write-tar.ts'

/** Somebody reads them; what comes behind so many is not looked at. */
const FAULTS_MAX = 1_000

/**
 * Read everything that a bundle carries and hold it against its manifest.
 *
 * @param moved is told of bytes that were read
 * @returns what is wrong, a sentence each; nothing when the bundle is whole
 */
export async function findFaults(content: BundleContent, moved: (bytes: number) => void): Promise<readonly string[]> {
  const faults: string[] = []
  const collect = (error: unknown): void => {
    if (!(error instanceof DepotError)) throw error
    if (faults.at(-1) !== error.message) faults.push(error.message)
  }
  try {
    for await (const blob of content.blobs()) {
      try {
        for await (const piece of held(blob, blob.pieces)) moved(piece.length)
      } catch (error) {
        collect(error)
        if (faults.length >= FAULTS_MAX) break
      }
    }
  } catch (error) {
    collect(error)
  }
  return faults
}

/** Bytes that it carries. */
export function carriedBytes({ manifest }: Pick<BundleContent, 'manifest'>): number {
  return carriedBlobs(manifest.files).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}
