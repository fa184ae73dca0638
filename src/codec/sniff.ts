/** How an upload is compressed, as its first bytes tell; `unknown` for what this depot does not read. */
export type Codec = 'none' | 'gzip' | 'xz' | 'bzip2' | 'zstd' | 'unknown'

/** Bytes that decide: the longest magic. */
export const MAGIC_BYTES = 21

const NAR_MAGIC = '0d00000000000000' + Buffer.from('nix-archive-1').toString('hex')

/**
 * The codec by magic number: gzip RFC 1952, xz file format §2.1.1, zstd RFC 8878 §3.1 (a skippable frame may come first, as pzstd writes
 * it), bzip2 `BZh`, and the head of a bare Nix archive. A file name proves nothing: Nix sends gzip as plain `.nar`.
 */
export function sniffCodec(head: Uint8Array): Codec {
  const hex = Buffer.from(head).toString('hex')
  if (hex.startsWith(NAR_MAGIC)) return 'none'
  if (hex.startsWith('1f8b')) return 'gzip'
  if (hex.startsWith('fd377a585a00')) return 'xz'
  if (hex.startsWith('28b52ffd') || /^5[0-9a-f]2a4d18/.test(hex)) return 'zstd'
  if (/^425a683[1-9]/.test(hex)) return 'bzip2'
  return 'unknown'
}
