import { createHash } from 'node:crypto'

import { DepotError } from '../../../src/errors.ts'
import { nix32OfHex } from '../nix32.ts'
import type { PathFacts } from './path-source.ts'

/**
 * An archive, passed on as it comes. Its last piece leaves only when all of it is what the facts say.
 *
 * @throws DepotError `CONTENT_MISMATCH` when it is another one; whatever `pieces` throws
 */
export async function* verifiedNar(
  { narHash, narSizeBytes }: Pick<PathFacts, 'narHash' | 'narSizeBytes'>,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const piece of pieces) {
    hash.update(piece)
    sizeBytes += piece.byteLength
    if (sizeBytes > narSizeBytes) throw mismatch(`it is longer than its ${narSizeBytes} bytes`)
    if (sizeBytes === narSizeBytes && hash.copy().digest('hex') !== narHash)
      throw mismatch(`it is not sha256:${nix32OfHex(narHash)}`)
    yield piece
  }
  if (sizeBytes < narSizeBytes) throw mismatch(`it ends after ${sizeBytes} of ${narSizeBytes} bytes`)
}

function mismatch(how: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', `its archive is damaged: ${how}`)
}
