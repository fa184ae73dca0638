import { LIMITS } from '../limits.ts'
import { notWhole } from './through.ts'

/** Counts the parts of a compressed file that each cost a decoder, however little they hold. */
export interface PieceBudget {
  /** One more begins. @throws DepotError `CONTENT_MISMATCH` when there are too many for what all of them held */
  begin(): void
  /** So much content came out. */
  spend(sizeBytes: number): void
}

export function createPieceBudget(format: string): PieceBudget {
  let pieces = 0
  let contentBytes = 0
  return {
    begin() {
      pieces++
      if (pieces - LIMITS.codecPiecesFree > contentBytes / LIMITS.codecPieceBytesMin)
        throw notWhole(format, `it is cut into ${pieces} parts that hold next to nothing`)
    },
    spend(sizeBytes) {
      contentBytes += sizeBytes
    },
  }
}
