import { DepotError } from '../../src/errors.ts'
import { hexOfNix32, NIX32_CLASS } from './nix32.ts'

/** The name of an archive's file: `<sha256 in base 32>.nar[.<suffix>]`. */
export interface NarName {
  readonly fileName: string
  /** sha256 that the name claims, of the file or of the archive in it, as hex. */
  readonly digest: string
  /** `xz`, `zst`, …, or empty. Only `br` is more than a hint: Nix sends gzip as plain `.nar`. */
  readonly suffix: string
}

const NAR_NAME = new RegExp(`^(?<hash>${NIX32_CLASS}{52})\\.nar(?:\\.(?<suffix>[a-z0-9]{1,8}))?$`)

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
