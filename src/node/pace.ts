import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

/**
 * Watches how fast a body comes: an upload holds a file, and often one of few decoders, as long as it lasts. Only the time spent
 * waiting for its client counts, and only over the last `LIMITS.uploadPaceWindowMs` of it.
 *
 * Call the result for each piece, with the milliseconds it was waited for. @throws DepotError `BODY_TRUNCATED` (408)
 */
export function watchPace(): (sizeBytes: number, waitedMs: number) => void {
  let windowBytes = 0
  let windowMs = 0
  return (sizeBytes, waitedMs) => {
    windowBytes += sizeBytes
    windowMs += waitedMs
    if (windowMs < LIMITS.uploadPaceWindowMs) return
    if (windowBytes / windowMs < LIMITS.uploadBytesPerSecondMin / 1000) {
      const message = `the upload is slower than ${LIMITS.uploadBytesPerSecondMin} bytes a second: send it over a better line`
      throw new DepotError('BODY_TRUNCATED', message, { status: 408 })
    }
    windowBytes = 0
    windowMs = 0
  }
}
