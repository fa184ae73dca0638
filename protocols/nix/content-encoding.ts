import { DepotError } from '../../src/errors.ts'
import type { DepotRequest } from '../../src/protocol.ts'

/**
 * Newer clients compress the transfer itself when their URL asks for it.
 *
 * @throws DepotError `UNSUPPORTED_CODEC`
 */
export function refuseContentEncoding({ headers }: Pick<DepotRequest, 'headers'>): void {
  const coding = headers.get('content-encoding') ?? 'identity'
  if (coding.toLowerCase() === 'identity') return
  throw new DepotError(
    'UNSUPPORTED_CODEC',
    'this depot does not take uploads with a Content-Encoding: leave narinfo-compression, ls-compression and log-compression out of the URL',
  )
}
