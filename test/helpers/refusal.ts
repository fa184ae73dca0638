import { DepotError } from '../../src/errors.ts'

/** The sentence of a refusal as a bad request; undefined when nothing was refused. What else is thrown is thrown on. */
export function refusalOf(action: () => unknown): string | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    if (error instanceof DepotError && error.code === 'BAD_REQUEST') return error.message
    throw error
  }
}
