import { z } from 'zod'

import { CODE_OF_STATUS, readText } from '../../src/client/answer.ts'
import type { TokenSource } from '../../src/client/token-source.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { below, depotKey } from './depot-url.ts'
import { plain } from '../terminal/plain.ts'
import { clientName } from '../version.ts'

/** A depot, and what is shown to it. */
export interface Connection {
  readonly url: URL
  readonly credentials: TokenSource
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below the depot's URL. */
  readonly path: `/${string}`
  readonly body?: object
}

export interface ApiAnswer {
  readonly status: number
  readonly text: string
  /** How far its clock is ahead of ours, in seconds; 0 when it does not tell. */
  readonly aheadSeconds: number
}

/**
 * One request to a depot's own API. No redirect is followed: the credentials are for this depot.
 *
 * @throws DepotError `STORAGE_DOWN` when it cannot be reached, is late, or says too much
 */
export async function askApi({ url, credentials }: Connection, request: ApiRequest): Promise<ApiAnswer> {
  const target = below(url, request.path)
  const { method, body } = request
  const authorization = await credentials.authorization({ method, path: target.pathname })
  try {
    const response = await fetch(target, {
      method,
      redirect: 'error',
      signal: AbortSignal.timeout(LIMITS.apiTimeoutMs),
      headers: {
        'user-agent': clientName(),
        accept: 'application/json, text/plain;q=0.5, */*;q=0.1',
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const ahead = Date.parse(response.headers.get('date') ?? '') - Date.now()
    const text = await readText(response, LIMITS.apiAnswerBytesMax)
    if (text === undefined) throw new Error('its answer is too long')
    return {
      status: response.status,
      text,
      aheadSeconds: Number.isNaN(ahead) ? 0 : Math.round(ahead / 1000),
    }
  } catch (error) {
    throw unreachable(url, error)
  }
}

/**
 * What a good answer says.
 *
 * @throws DepotError with what the depot says against it, or `STORAGE_DOWN` when this is no depot's answer
 */
export function readAnswer<T>({ status, text }: ApiAnswer, schema: z.ZodType<T>, url: URL): T {
  const body = parseJson(text)
  if (status < 200 || status > 299) throw refusal(status, body, url)
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw new DepotError('STORAGE_DOWN', `${depotKey(url)} does not answer as a depot does`)
}

/** Ask, and read the answer. @throws DepotError as `askApi` and `readAnswer` do */
export async function callApi<T>(connection: Connection, request: ApiRequest, schema: z.ZodType<T>): Promise<T> {
  return readAnswer(await askApi(connection, request), schema, connection.url)
}

/** The sentence of a refusal; one without it comes from something else than a depot. */
function refusal(status: number, body: unknown, url: URL): DepotError {
  const said = ERROR.safeParse(body)
  const code = CODE_OF_STATUS[status] ?? (status >= 500 ? 'STORAGE_DOWN' : 'BAD_REQUEST')
  if (said.success) return new DepotError(code, `${depotKey(url)}: ${plain(said.data.error)}`)
  return new DepotError(code, `${depotKey(url)} does not answer as a depot does: status ${status}`)
}

/** Some name what stands in the way: ten store paths. */
const ERROR_CHARS_MAX = 4000
const ERROR = z.object({ error: z.string().max(ERROR_CHARS_MAX) })

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function unreachable(url: URL, error: unknown): DepotError {
  if (error instanceof DepotError) return error
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const late = cause instanceof Error && cause.name === 'TimeoutError'
  const moved = cause instanceof Error && cause.message === 'unexpected redirect'
  const why = late
    ? `gave no answer in ${LIMITS.apiTimeoutMs / 1000} s`
    : moved
      ? 'sends us somewhere else: give the address that it sends to'
      : 'cannot be reached'
  return new DepotError('STORAGE_DOWN', `${depotKey(url)} ${why}`, late || moved ? {} : { cause })
}
