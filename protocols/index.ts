import type { Protocol } from '../src/protocol.ts'
import { nixProtocol, type NixOptions } from './nix/index.ts'
import { npmProtocol, type NpmOptions } from './npm/index.ts'
import { python } from './python/index.ts'

export { ECOSYSTEMS } from './ecosystems.ts'

/** Every ecosystem this depot speaks; a fourth one adds a line here and its name there. At the root they are asked in this order. */
export function allProtocols(options: NixOptions & NpmOptions): readonly Protocol[] {
  return [nixProtocol(options), npmProtocol(options), python]
}
