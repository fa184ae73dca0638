import { DepotError, hasCode, type ErrorCode } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { CODE_OF_STATUS, readText } from './answer.ts'

/** A failure that time may heal. */
export class TryAgain extends Error {
  override readonly name = 'TryAgain'
  readonly failure: DepotError
  /** What the depot asks for. */
  readonly waitMs: number

  constructor(failure: DepotError, waitMs = 0) {
    super(failure.message, { cause: failure })
    this.failure = failure
    this.waitMs = waitMs
  }
}

/** Whether a failure concerns everything that is still to come: credentials that are not good, a depot that is down or full. */
export function endsTransfer(error: unknown): error is DepotError {
  return ENDING.some((code) => hasCode(error, code))
}

const ENDING: readonly ErrorCode[] = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'STORAGE_DOWN',
  'STORAGE_FULL',
  'TOO_MANY_REQUESTS',
]

/** The text of a good answer. @throws DepotError for a refusal, TryAgain for one that may pass */
export async function readGoodAnswer(response: Response): Promise<string> {
  const text = await readText(response, LIMITS.transferAnswerBytesMax)
  if (text === undefined) throw new DepotError('TOO_LARGE', 'the answer of the depot is too long')
  if (response.ok) return text
  const refusal = refusalOf(response.status, text)
  if (PASSING.has(response.status)) throw new TryAgain(refusal, retryAfterMs(response.headers.get('retry-after')))
  throw refusal
}

/** Too many requests, and what servers and the proxies before them say of a service that is down. */
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** What to make of a request that got no answer: TryAgain, or DepotError where another try would end alike. */
export function withoutAnswer(url: URL, error: unknown): Error {
  if (error instanceof DepotError || error instanceof TryAgain) return error
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  // What the body threw while it was read.
  if (cause instanceof DepotError) return cause
  const [name, message] = cause instanceof Error ? [cause.name, cause.message] : ['', '']
  // Of a Blob whose file is no longer what it was.
  if (name === 'NotReadableError') return new DepotError('BAD_REQUEST', 'the file changed while it was being sent')
  if (message === 'unexpected redirect')
    return new DepotError('STORAGE_DOWN', `${url.origin} sends us somewhere else: give the address that it sends to`)
  return new TryAgain(new DepotError('STORAGE_DOWN', `${url.origin} cannot be reached`, { cause }))
}

/** What a Retry-After asks for, in seconds or as a date; 0 without one. */
export function retryAfterMs(header: string | null): number {
  if (header === null) return 0
  if (/^\d+$/.test(header)) return Number(header) * 1000
  const ms = Date.parse(header) - Date.now()
  return ms > 0 ? ms : 0
}

/** npm's failures are JSON with an `error`, everybody else's are text. */
function refusalOf(status: number, text: string): DepotError {
  const said = /^\s*\{/.test(text) ? errorField(text) : text.trim()
  const code = CODE_OF_STATUS[status] ?? 'BAD_REQUEST'
  return new DepotError(code, said === undefined || said === '' ? `status ${status}` : said.slice(0, SAID_CHARS_MAX))
}

function errorField(text: string): string | undefined {
  try {
    const value = JSON.parse(text) as { readonly error?: unknown }
    return typeof value.error === 'string' ? value.error : undefined
  } catch {
    return undefined
  }
}

/** A sentence; what is longer is some proxy's page. */
const SAID_CHARS_MAX = 1000
