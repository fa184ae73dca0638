import { gzipSync, zstdCompressSync } from 'node:zlib'

import { fileNar, sha256Nix32 } from './nar.ts'

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
  const nar = fileNar(content)
  const packed = pack(nar)
  const narHash = sha256Nix32(nar)
  const key = narHash.slice(0, 32)
  const file = `${sha256Nix32(packed)}.nar${suffix}`
  const narinfo = [
    `StorePath: /nix/store/${key}-${name}`,
    `URL: nar/${file}`,
    `Compression: ${compression}`,
    `FileHash: sha256:${sha256Nix32(packed)}`,
    `FileSize: ${packed.byteLength}`,
    `NarHash: sha256:${narHash}`,
    `NarSize: ${nar.byteLength}`,
    'References: ',
    '',
  ].join('\n')
  return { key, narinfo, file, packed, nar, narHash }
}
