import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Protocol } from '../protocol.ts'
import { redacted } from '../redact.ts'

/** What a failed request is answered with. */
export interface ErrorAnswer {
  readonly status: number
  /** Reason phrase of the status line; empty for the usual one. */
  readonly statusText: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** An expected failure as the protocol's clients show it; anything else as a bare 500 that tells nothing. */
export function errorAnswer(error: unknown, protocol: Protocol | undefined, target: string): ErrorAnswer {
  if (!(error instanceof DepotError)) return answer(500, 'text/plain; charset=utf-8', 'internal error\n', {})
  const rendered = protocol?.errorBody?.(error, target)
  const contentType = rendered?.contentType ?? 'text/plain; charset=utf-8'
  const retry = PASSING.has(error.status) ? { 'Retry-After': String(LIMITS.retryAfterSeconds) } : {}
  // A message may quote what came in, and clients print it into the logs of others.
  const body = redacted(rendered?.body ?? `${error.message}\n`)
  const statusText = protocol?.messageInStatusLine === true ? reasonPhrase(redacted(error.message)) : ''
  return answer(error.status, contentType, body, { ...retry, ...error.headers }, statusText)
}

export function errorResponse({ status, statusText, headers, body }: ErrorAnswer): Response {
  return new Response(body, { status, statusText, headers })
}

/** A message as RFC 9112 §4 lets it stand in a status line: one line of visible ASCII, spaces and tabs. */
function reasonPhrase(message: string): string {
  return message.replaceAll(/[^\t\x20-\x7e]/g, '?').slice(0, LIMITS.reasonPhraseLengthMax)
}

/** What another try may find gone. */
const PASSING = new Set([429, 503])

function answer(
  status: number,
  contentType: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  statusText = '',
): ErrorAnswer {
  return {
    status,
    statusText,
    headers: {
      'Content-Type': contentType,
      'Content-Length': String(Buffer.byteLength(body)),
      // A miss must not outlive the push that ends it.
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      ...headers,
    },
    body,
  }
}
