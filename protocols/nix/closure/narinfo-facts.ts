import type { Narinfo } from '../narinfo.ts'
import type { PathFacts } from './path-source.ts'

/** What a narinfo tells of its path. Signatures are kept as they came: whom to trust is for those to say who install. */
export function narinfoFacts(narinfo: Narinfo): PathFacts {
  const { storePath, narHash, narSizeBytes, references, signatures, deriver, ca } = narinfo
  return {
    baseName: storePath.baseName,
    narHash,
    narSizeBytes,
    references: [...references],
    signatures: [...signatures],
    ...(deriver === undefined ? {} : { deriver }),
    ...(ca === undefined ? {} : { ca }),
  }
}
