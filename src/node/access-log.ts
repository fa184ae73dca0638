import type { IncomingMessage, ServerResponse } from 'node:http'

import { redactedPath } from '../redact.ts'

/** Takes whole lines and writes them later, in batches. */
export interface AccessLog {
  /** Number of this process, where several serve. */
  readonly worker?: number | undefined
  write(line: string): void
}

interface Exchange {
  readonly worker?: number | undefined
  readonly requestId: string
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly durationMs: number
  /** On the wire, headers included. */
  readonly sentBytes: number
  /** Where the client is. */
  readonly address: string
}

/** One JSON line for a finished exchange. The query is left out: it may hold what is secret. */
export function accessLine({
  worker,
  requestId,
  incoming,
  outgoing,
  durationMs,
  sentBytes,
  address,
}: Exchange): string {
  const url = incoming.url ?? ''
  const mark = url.indexOf('?')
  const path = redactedPath(mark === -1 ? url : url.slice(0, mark))
  // By hand: a logger's call per request costs a third of the throughput of small answers.
  return (
    `{"level":30,"time":${Date.now()},"msg":"request",${worker === undefined ? '' : `"worker":${worker},`}"id":"${requestId}","method":"${incoming.method ?? ''}",` +
    `"path":${JSON.stringify(path)},"status":${outgoing.statusCode},"bytes":${sentBytes},"ms":${durationMs.toFixed(1)},` +
    `"whole":${outgoing.writableFinished},"address":"${address}"}\n`
  )
}
