import type { BundledFile } from './manifest.ts'
import { entryBytes, paddingBytes, TRAILER_BYTES } from './ustar.ts'

export const MANIFEST_NAME = 'manifest.json'
export const SIGNATURE_NAME = 'manifest.json.sig'
/** The folder of all blobs. */
export const BLOBS = 'blobs/sha256'

/** Bytes that a bundle carries, known by their digest. */
export interface BundledBlob {
  readonly sha256: string
  readonly sizeBytes: number
}

/** Where a blob lies in a bundle of either form. */
export function blobName(sha256: string): string {
  return `${BLOBS}/${sha256}`
}

/** The blobs of a bundle in their order, each once. */
export function carriedBlobs(files: readonly BundledFile[]): readonly BundledBlob[] {
  const sizes = new Map(files.filter(({ carried }) => carried).map(({ sha256, sizeBytes }) => [sha256, sizeBytes]))
  return [...sizes.keys()].sort().map((sha256) => ({ sha256, sizeBytes: sizes.get(sha256) ?? 0 }))
}

/** Where the content of each blob lies in the tar form, by digest; a manifest leaves no choice of that. */
export interface TarLayout {
  /** In bytes from the beginning. */
  readonly offsets: ReadonlyMap<string, number>
  readonly sizeBytes: number
}

/** @param signatureBytes undefined when there is no signature */
export function tarLayout(
  manifestBytes: number,
  signatureBytes: number | undefined,
  blobs: readonly BundledBlob[],
): TarLayout {
  const offsets = new Map<string, number>()
  let at = entryBytes(manifestBytes) + (signatureBytes === undefined ? 0 : entryBytes(signatureBytes))
  for (const { sha256, sizeBytes } of blobs) {
    at += entryBytes(sizeBytes)
    offsets.set(sha256, at - sizeBytes - paddingBytes(sizeBytes))
  }
  return { offsets, sizeBytes: at + TRAILER_BYTES }
}
