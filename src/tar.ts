import { extract, type Extract } from 'tar-stream'

import { DepotError } from './errors.ts'
import { LIMITS } from './limits.ts'

/** What the types of tar-stream lack: with the option old formats are read too, and the rest is how it reads headers. */
interface ExtractInside {
  /** Reads 512 bytes as a header. Behind it `_longHeader` says whether its content is a further header, of `_missing` bytes. */
  _consumeHeader(): boolean
  _continueWrite(error: Error): void
  readonly _longHeader: boolean
  readonly _missing: number
}

/**
 * A reader of tar archives of all kinds, also of those before ustar. It looks at long names and extended headers in one go, which holds
 * everybody else up: the stream fails with DepotError `TOO_LARGE` when one of them, or all together, are longer than anybody's.
 */
export function readTar(): Extract {
  // Without the option only ustar and GNU headers are read; packages of the first years have older ones.
  const tar = extract({ allowUnknownFormat: true } as Parameters<typeof extract>[0])
  const inside = tar as Extract & ExtractInside
  const consume = inside._consumeHeader.bind(inside)
  let sizeBytes = 0
  inside._consumeHeader = () => {
    if (!consume()) return false
    if (!inside._longHeader) return true
    sizeBytes += inside._missing
    if (inside._missing <= LIMITS.tarHeaderBytesMax && sizeBytes <= LIMITS.tarHeadersBytesMax) return true
    inside._continueWrite(new DepotError('TOO_LARGE', 'the headers of the archive are too long'))
    return false
  }
  return tar
}
