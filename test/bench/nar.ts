import { createHash } from 'node:crypto'

const MAGIC = ['nix-archive-1', '(', 'type', 'regular', 'contents']

/** An archive of one regular file whose content comes in pieces: the parts before and behind it (Nix thesis §5.2.1). */
export function fileArchive(sizeBytes: number): { readonly head: Buffer; readonly tail: Buffer } {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(sizeBytes))
  const padding = Buffer.alloc((8 - (sizeBytes % 8)) % 8)
  return { head: Buffer.concat([...MAGIC.map(word), length]), tail: Buffer.concat([padding, word(')')]) }
}

function word(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes.length))
  return Buffer.concat([length, bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)])
}

const ALPHABET = '0123456789abcdfghijklmnpqrsvwxyz'

/** nix32 as Nix prints hashes; by hand, so that the bench does not trust the code it measures. */
export function nix32(bytes: Uint8Array): string {
  let text = ''
  for (let n = Math.ceil((bytes.length * 8) / 5) - 1; n >= 0; n--) {
    const bit = n * 5
    const low = (bytes[bit >> 3] ?? 0) >> (bit & 7)
    const high = (bytes[(bit >> 3) + 1] ?? 0) << (8 - (bit & 7))
    text += ALPHABET[(low | high) & 31]
  }
  return text
}

export function sha256Nix32(bytes: Uint8Array): string {
  return nix32(createHash('sha256').update(bytes).digest())
}

export interface NarinfoFields {
  readonly storeHash: string
  readonly url: string
  readonly compression: string
  readonly narHash: string
  readonly narSize: number
}

export function narinfo({ storeHash, url, compression, narHash, narSize }: NarinfoFields): string {
  return [
    `StorePath: /nix/store/${storeHash}-bench`,
    `URL: ${url}`,
    `Compression: ${compression}`,
    `NarHash: sha256:${narHash}`,
    `NarSize: ${narSize}`,
    'References: ',
    '',
  ].join('\n')
}
