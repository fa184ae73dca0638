import { narStrings } from '../helpers/nar.ts'

const MAGIC = ['nix-archive-1', '(', 'type', 'regular', 'contents']

/** An archive of one regular file whose content comes in pieces: the parts before and behind it (Nix thesis §5.2.1). */
export function fileArchive(sizeBytes: number): { readonly head: Buffer; readonly tail: Buffer } {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(sizeBytes))
  const padding = Buffer.alloc((8 - (sizeBytes % 8)) % 8)
  return { head: Buffer.concat([narStrings(...MAGIC), length]), tail: Buffer.concat([padding, narStrings(')')]) }
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
