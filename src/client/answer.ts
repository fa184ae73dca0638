import type { ErrorCode } from '../errors.ts'

/** What the statuses mean with which a depot, or a proxy before it, refuses. Others say less than whoever asked knows. */
export const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  413: 'TOO_LARGE',
  429: 'TOO_MANY_REQUESTS',
  502: 'STORAGE_DOWN',
  503: 'STORAGE_DOWN',
  504: 'STORAGE_DOWN',
  507: 'STORAGE_FULL',
}

/**
 * The body of an answer as text; undefined, and the rest unread, when it has more than `bytesMax` bytes.
 *
 * @param onPiece is told how many bytes came
 */
export async function readText(
  response: Response,
  bytesMax: number,
  onPiece?: (bytes: number) => void,
): Promise<string | undefined> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of response.body ?? []) {
    onPiece?.(piece.length)
    bytes += piece.length
    if (bytes > bytesMax) return undefined
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
