import { createHash } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'

const PACKERS = {
  none: { suffix: '', pack: (nar: Buffer) => nar },
  zstd: { suffix: '.zst', pack: (nar: Buffer) => zstdCompressSync(nar) },
  gzip: { suffix: '.gz', pack: (nar: Buffer) => gzipSync(nar, { level: 1 }) },
}

export type Compression = keyof typeof PACKERS

/** What `nix copy` would send for a store path of one regular file. */
export interface PushedPath {
  /** Hash part of the store path: the narinfo's name. */
  readonly key: string
  readonly narinfo: string
  /** The archive's name: `<FileHash>.nar[.zst|.gz]`. */
  readonly file: string
  readonly packed: Buffer
  readonly nar: Buffer
  readonly narHash: string
}

export function storePathOf(name: string, content: Buffer, compression: Compression): PushedPath {
  const { suffix, pack } = PACKERS[compression]
  const nar = archiveOf(content)
  const packed = pack(nar)
  const narHash = nixHash(nar)
  const key = narHash.slice(0, 32)
  const file = `${nixHash(packed)}.nar${suffix}`
  const narinfo = [
    `StorePath: /nix/store/${key}-${name}`,
    `URL: nar/${file}`,
    `Compression: ${compression}`,
    `FileHash: sha256:${nixHash(packed)}`,
    `FileSize: ${packed.byteLength}`,
    `NarHash: sha256:${narHash}`,
    `NarSize: ${nar.byteLength}`,
    'References: ',
    '',
  ].join('\n')
  return { key, narinfo, file, packed, nar, narHash }
}

/** The Nix archive of one regular file (Nix thesis, figure 5.2). */
export function archiveOf(content: Buffer): Buffer {
  const words = ['nix-archive-1', '(', 'type', 'regular', 'contents', content, ')']
  return Buffer.concat(words.flatMap((word) => narString(Buffer.from(word as string))))
}

function narString(bytes: Buffer): Buffer[] {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes.byteLength))
  return [length, bytes, Buffer.alloc((8 - (bytes.byteLength % 8)) % 8)]
}

/** sha256 in Nix's base 32: 52 characters, last bits first. Written apart from the product's own, to check it. */
export function nixHash(bytes: Uint8Array): string {
  const alphabet = '0123456789abcdfghijklmnpqrsvwxyz'
  let rest = createHash('sha256')
    .update(bytes)
    .digest()
    .reduceRight((value, byte) => value * 256n + BigInt(byte), 0n)
  let text = ''
  for (let index = 0; index < 52; index++) {
    text = (alphabet[Number(rest % 32n)] ?? '') + text
    rest /= 32n
  }
  return text
}
