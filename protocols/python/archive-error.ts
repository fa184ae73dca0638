import { DepotError } from '../../src/errors.ts'

/** The bytes are not the distribution that they were sent as, or not what came with them says. pip, twine and uv expect 400 for it. */
export function brokenArchive(message: string, cause?: unknown): DepotError {
  return new DepotError('CONTENT_MISMATCH', message, { status: 400, ...(cause === undefined ? {} : { cause }) })
}

/** We never unpack an archive, but whoever installs it does. @throws DepotError `CONTENT_MISMATCH` (400) */
export function refuseOutside(name: string): void {
  if (OUTSIDE.test(name)) throw brokenArchive('the archive has an entry that leads outside of it')
}

/** An absolute path, one on a drive, one with `..` in it, or with a NUL. */
// eslint-disable-next-line no-control-regex -- the point is to refuse it
const OUTSIDE = /^\/|^[a-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)|\0/i
