import { DepotError } from '../../../src/errors.ts'

/** Says which file is malformed, and where. */
export function malformed(where: string, what: string, options?: ErrorOptions): DepotError {
  return new DepotError('BAD_REQUEST', `${where}: ${what}`, options)
}
