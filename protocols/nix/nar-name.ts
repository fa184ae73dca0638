import type { Codec } from '../../src/codec/decode.ts'
import { DepotError } from '../../src/errors.ts'
import { hexOfNix32, NIX32_CLASS } from './nix32.ts'
import { STORE_HASH_CLASS } from './store-path.ts'

/** The name of an archive's file: `<sha256 in base 32>.nar[.<suffix>]`. */
export interface NarName {
  readonly fileName: string
  /** sha256 that the name claims, of the file or of the archive in it, as hex. */
  readonly digest: string
  /** `xz`, `zst`, …, or empty. Only `br` is more than a hint: Nix sends gzip as plain `.nar`. */
  readonly suffix: string
}

/** The suffix of each codec, as clients write it and ask for it. */
export const NAR_SUFFIX: Readonly<Record<Codec, string>> = {
  none: '',
  gzip: 'gz',
  xz: 'xz',
  bzip2: 'bz2',
  zstd: 'zst',
  br: 'br',
}

const NAR_NAME = new RegExp(`^(?<hash>${NIX32_CLASS}{52})\\.nar(?:\\.(?<suffix>[a-z0-9]{1,8}))?$`)

/** What an archive is asked for by. */
export interface NarRequest extends NarName {
  /** Hash part of the path that the archive is of, when the name tells it. */
  readonly storeHash?: string
}

const PATH_AND_NAR = new RegExp(`^(?<storeHash>${STORE_HASH_CLASS})-(?<nar>${NIX32_CLASS}{52}\\.nar)$`)

/** `<sha256>.nar[.<suffix>]`, or `<store hash>-<NarHash>.nar` as nix-serve has it. @throws DepotError `INVALID_NAME` */
export function parseNarRequest(fileName: string): NarRequest {
  const groups = PATH_AND_NAR.exec(fileName)?.groups
  const [storeHash, nar] = [groups?.['storeHash'], groups?.['nar']]
  return storeHash === undefined || nar === undefined ? parseNarName(fileName) : { ...parseNarName(nar), storeHash }
}

/** @throws DepotError `INVALID_NAME` */
export function parseNarName(fileName: string): NarName {
  const groups = NAR_NAME.exec(fileName)?.groups
  const digest = hexOfNix32(groups?.['hash'] ?? '')
  if (digest === undefined)
    throw new DepotError(
      'INVALID_NAME',
      'an archive is named <sha256 in base 32, 52 digits>.nar[.zst|.xz|.gz|.bz2|.br]',
    )
  return { fileName, digest, suffix: groups?.['suffix'] ?? '' }
}
