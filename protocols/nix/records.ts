import { z } from 'zod'

/** One per uploaded file name: what it was and which archive came out of it. */
export const UPLOAD_KIND = 'nix-upload'
/** One per store path, under its hash part. */
export const PATH_KIND = 'nix-path'
/**
 * One per reference of a stored path to another one, `<hash that is referred to>/<hash that refers>`: written and deleted in the same
 * commits as the path that refers.
 */
export const REFERRER_KIND = 'nix-referrer'
/** Kinds that keep archives alive all start so. */
export const KIND_PREFIX = 'nix-'

const hex = z.string().regex(/^[0-9a-f]{64}$/)
const count = z.int().nonnegative()

const upload = z.object({
  codec: z.enum(['none', 'gzip', 'xz', 'bzip2', 'zstd', 'br']),
  /** Of the file as it was sent. */
  fileHash: hex,
  fileSizeBytes: count,
  narHash: hex,
  narSizeBytes: count,
  /** CRC-32 of the archive, for the gzip file that is written around it. */
  crc: count,
})

/** What is known of an uploaded archive. */
export type Upload = z.infer<typeof upload>

const path = z.object({
  baseName: z.string(),
  narHash: hex,
  narSizeBytes: count,
  /** Base names, ascending. */
  references: z.array(z.string()),
  deriver: z.string().optional(),
  ca: z.string().optional(),
  /** `Sig` values that came with it and were good under a key that the depot trusted then. Its own are made when it is read. */
  signatures: z.array(z.string()).default([]),
  /** When it was stored, in milliseconds since 1970; unknown where records of kind `REFERRER_KIND` may be missing too. */
  since: z.int().nonnegative().optional(),
})

/** What is known of a store path. */
export type PathEntry = z.infer<typeof path>

/** @throws ZodError for a record that no depot wrote */
export function parseUpload(record: { readonly value: string }): Upload {
  return upload.parse(JSON.parse(record.value))
}

/** @throws ZodError for a record that no depot wrote */
export function parsePathEntry(record: { readonly value: string }): PathEntry {
  return path.parse(JSON.parse(record.value))
}
