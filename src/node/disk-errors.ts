import { DepotError } from '../errors.ts'
import { systemCode } from '../thrown.ts'

/**
 * Do something with the disk below `root`.
 *
 * @throws DepotError `STORAGE_FULL`, `STORAGE_DOWN` for what the system refuses; everything else as it comes
 */
export async function translated<T>(root: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const code = systemCode(error)
    // Node's own codes are of bugs.
    if (code === undefined || code.startsWith('ERR_') || error instanceof DepotError) throw error
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new DepotError('STORAGE_FULL', `the disk of ${root} is full: free some space and start again`, {
        cause: error,
      })
    throw new DepotError('STORAGE_DOWN', `${root} cannot be written (${code})`, { cause: error })
  }
}
