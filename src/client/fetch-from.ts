import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { CODE_OF_STATUS } from './answer.ts'
import { userinfoAuthorization } from './basic.ts'
import type { Report } from './report.ts'
import { retryAfterMs, TryAgain } from './transfer-answer.ts'

export interface DownloadOptions {
  readonly userAgent: string
  readonly report: Pick<Report, 'moved'>
  /** The Authorization header for an address, if there is one. A redirect to another origin does not get it. */
  readonly authorization?: (url: URL) => string | undefined
  /** Before the second try of a request; each further pause is twice as long. By default `LIMITS.transferPauseMs`. */
  readonly pauseMs?: number
  readonly silenceMs?: number
}

/**
 * Send one request and take its answer, as long as something comes.
 *
 * @param take calls `alive` with the length of each piece that came
 * @throws TryAgain for what may pass
 */
export async function fetchFrom<T>(
  { userAgent, authorization, silenceMs = LIMITS.downloadSilenceMs }: DownloadOptions,
  url: URL,
  headers: Readonly<Record<string, string>>,
  take: (response: Response, alive: (bytes: number) => void) => Promise<T>,
): Promise<T> {
  const bare = withoutUserinfo(url)
  const shown = authorization?.(url) ?? userinfoAuthorization(url)
  const silence = new AbortController()
  let failing = 'gives no answer'
  const timer = setTimeout(() => silence.abort(new TryAgain(down(bare, failing))), silenceMs)
  let cameBytes = 0
  const alive = (bytes: number): void => {
    cameBytes += bytes
    // Somebody who sends a byte now and then would hold everything up for ever.
    if (cameBytes < (LIMITS.downloadBytesPerSecondMin * silenceMs) / 1000) return
    cameBytes = 0
    timer.refresh()
  }
  try {
    const response = await fetch(bare, {
      headers: { 'user-agent': userAgent, ...headers, ...(shown === undefined ? {} : { authorization: shown }) },
      signal: silence.signal,
    })
    failing = 'answers too slowly'
    timer.refresh()
    return await take(response, alive)
  } catch (error) {
    if (silence.signal.aborted) throw silence.signal.reason
    // What nobody reads to its end would keep the connection.
    silence.abort()
    throw error instanceof TypeError ? new TryAgain(down(bare, 'cannot be reached', error)) : error
  } finally {
    clearTimeout(timer)
  }
}

/** What to make of an answer that is none. */
export function refused(response: Response, url: URL): Error {
  const { status } = response
  const code = CODE_OF_STATUS[status] ?? (status >= 500 ? 'STORAGE_DOWN' : 'BAD_REQUEST')
  // With its status: 500 may be about this address alone, 503 is about all.
  const hint = HINTS[status] ?? ''
  const failure = new DepotError(code, `${place(url)} answers ${status}${hint}`, { status })
  const passing = status === 408 || status === 429 || status >= 500
  return passing ? new TryAgain(failure, retryAfterMs(response.headers.get('retry-after'))) : failure
}

/** What to do about it, where that can be known. */
const HINTS: Readonly<Record<number, string>> = {
  401: ': it wants credentials, or better ones',
  429: ': it wants us to come back later',
}

function down(url: URL, what: string, error?: Error): DepotError {
  const cause = error?.cause instanceof Error ? error.cause : error
  return new DepotError('STORAGE_DOWN', `${place(url)} ${what}`, cause === undefined ? {} : { cause })
}

/** An address fit to be shown: neither credentials nor a query, which may be one. */
export function place(url: URL): string {
  return url.origin + url.pathname
}

/** fetch refuses addresses with credentials in them. */
function withoutUserinfo(url: URL): URL {
  const bare = new URL(url)
  bare.username = ''
  bare.password = ''
  return bare
}
