import type { PathFacts } from '../closure/path-source.ts'
import { fingerprintOf } from '../narinfo-rules.ts'
import { isKeyName, parsePublicKey } from '../signing.ts'

/** Whether somebody has signed a path. */
export type SignedBy = (facts: PathFacts) => boolean

/**
 * Read how a key is named: whole (`cache.nixos.org-1:6NCH…`), when its signatures are verified, or by its name alone, when they are
 * believed to be what they say, as Nix left them in its database.
 *
 * @throws Error for what is neither
 */
export function parseSignedBy(text: string): SignedBy {
  if (isKeyName(text)) return ({ signatures }) => signatures.some((signature) => signature.startsWith(`${text}:`))
  const key = parsePublicKey(text)
  return (facts) => {
    const signed = fingerprintOf(facts)
    return facts.signatures.some((signature) => key.verify(signed, signature))
  }
}
