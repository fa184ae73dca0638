import { DepotError } from '../src/errors.ts'

const FULL = new Set(['ENOSPC', 'EDQUOT'])

/** Run a file operation; what the system refuses comes out as a DepotError with its cause, a bug as it is. */
export async function translated<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    throw storageError(error)
  }
}

/** The one place where errno values become DepotErrors: `STORAGE_FULL` for a full disk or quota, else `STORAGE_DOWN`. */
export function storageError(error: unknown, store: 'blob store' | 'database' | 'Nix store' = 'blob store'): unknown {
  const code = systemCode(error)
  if (code === undefined) return error
  return FULL.has(code)
    ? new DepotError('STORAGE_FULL', `the disk of the ${store} is full: free some space and try again`, {
        cause: error,
      })
    : new DepotError('STORAGE_DOWN', `the ${store} cannot be used (${code}): try again later`, { cause: error })
}

/** True when the system said that there is no such file. */
export function isMissing(error: unknown): boolean {
  return systemCode(error) === 'ENOENT'
}

/** The errno name of an error that a system call returned; undefined for any other error, also for Node's own `ERR_…`. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('errno' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
