import type { BlobLocation } from './blob-store.ts'

/** Where a blob lies: its domain and the digits of its digest, split so that no directory grows beyond 256 entries too fast. */
export function blobLocation(domain: string, digest: string): BlobLocation {
  return `${domain}/sha256/${digest.slice(0, 2)}/${digest.slice(2, 4)}/${digest}`
}
