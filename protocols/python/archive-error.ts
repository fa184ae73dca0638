import { DepotError } from '../../src/errors.ts'

/** The bytes are not the distribution they were sent as. pip, twine and uv expect 400 for it. */
export function brokenArchive(message: string, cause?: unknown): DepotError {
  return new DepotError('CONTENT_MISMATCH', message, { status: 400, ...(cause === undefined ? {} : { cause }) })
}

/** We never unpack an archive, but whoever installs it does. @throws DepotError `CONTENT_MISMATCH` (400) */
export function refuseOutside(name: string): void {
  const outside =
    name.startsWith('/') || /^[a-z]:/i.test(name) || name.split(/[/\\]/).includes('..') || name.includes('\0')
  if (outside) throw brokenArchive('the archive has an entry that leads outside of it')
}
