import { DepotError } from '../../src/errors.ts'
import { parseBaseName } from './store-path.ts'

/** The base name of a derivation, `<hash>-<name>.drv`. @throws DepotError `INVALID_NAME` */
export function parseDerivationName(segment: string): string {
  if (parseBaseName(segment)?.name.endsWith('.drv') === true) return segment
  throw new DepotError('INVALID_NAME', 'a derivation is named <32 digits of base 32>-<name>.drv')
}

/** An output of a derivation: what a store path's name may end in (nix: libstore/outputs-spec.cc). */
export const OUTPUT_CLASS = '[0-9A-Za-z+\\-._?=]{1,211}'
