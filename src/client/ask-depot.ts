import type { z } from 'zod'

import type { Transfer, TransferRequest } from './transfer.ts'
import { DepotError, hasCode } from '../errors.ts'

export interface Question {
  /** Below the depot's URL. */
  readonly path: `/${string}`
  /** The media type of the answer; JSON in any case. */
  readonly accept: string
  /** What is asked about, sent as JSON by POST. */
  readonly about?: unknown
}

/**
 * Ask a depot, before something is sent, what it has there: undefined for nothing.
 *
 * @throws DepotError what the depot says against it; `STORAGE_DOWN` when this is no depot's answer
 */
export async function askDepot<T>(
  transfer: Transfer,
  { path, accept, about }: Question,
  schema: z.ZodType<T>,
): Promise<T | undefined> {
  const asked: TransferRequest =
    about === undefined
      ? { method: 'GET', path, accept }
      : { method: 'POST', path, accept, contentType: 'application/json', body: () => JSON.stringify(about) }
  const text = await transfer.send(asked).catch((error: unknown) => {
    if (hasCode(error, 'NOT_FOUND')) return undefined
    throw error
  })
  return text === undefined ? undefined : readDepotAnswer(text, schema)
}

/** What a depot's own API answers. @throws DepotError `STORAGE_DOWN` when this is no depot's answer */
export function readDepotAnswer<T>(text: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(parse(text))
  if (parsed.success) return parsed.data
  throw notADepot()
}

/** For an answer that no depot gives. */
export function notADepot(): DepotError {
  return new DepotError('STORAGE_DOWN', 'the depot does not answer as a depot does: is its URL right?')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
