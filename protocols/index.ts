import type { Protocol } from '../src/protocol.ts'
import { nixProtocol, type NixOptions } from './nix/index.ts'
import { npm } from './npm/index.ts'
import { python } from './python/index.ts'

/** Every ecosystem this depot speaks; a fourth one adds a line here. At the root they are asked in this order. */
export function allProtocols(options: NixOptions): readonly Protocol[] {
  return [nixProtocol(options), npm, python]
}
