import type { IncomingMessage, ServerResponse } from 'node:http'

import { DepotError } from '../errors.ts'
import type { RawRequest } from '../gate.ts'
import type { DepotRequest } from '../protocol.ts'
import { watchPace } from './pace.ts'

/** The request line and headers of a Node request, as they came. */
export function rawRequestOf(incoming: IncomingMessage, address: string): RawRequest {
  const { headers } = incoming
  return {
    address,
    method: incoming.method ?? 'GET',
    target: incoming.url ?? '',
    header(name) {
      const value = name === 'authorization' ? everyAuthorization(incoming) : headers[name]
      return typeof value === 'string' ? value : value?.join(', ')
    },
  }
}

/** Node keeps the first of several, and a proxy on the way may have looked at the last: together they are no credentials. */
function everyAuthorization({ headers, rawHeaders }: IncomingMessage): string | undefined {
  if (headers.authorization === undefined) return undefined
  const values: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.length === AUTHORIZATION.length && name.toLowerCase() === AUTHORIZATION)
      values.push(rawHeaders[index + 1] ?? '')
  }
  return values.length === 1 ? headers.authorization : values.join(', ')
}

const AUTHORIZATION = 'authorization'

export interface IncomingBody {
  readonly read: DepotRequest['body']
  /** True while the client holds its body back until it is told to go on. */
  readonly waitsForContinue: boolean
}

/**
 * The body of a Node request. A client that asked for `100 Continue` is told to go on when the first byte is wanted, so that a
 * refusal costs it no upload.
 */
export function incomingBody(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  expectsContinue: boolean,
): IncomingBody {
  let waitsForContinue = expectsContinue
  async function* read(limitBytes: number): AsyncGenerator<Uint8Array> {
    const declared = Number(incoming.headers['content-length'] ?? 0)
    if (declared > limitBytes) throw tooLarge(limitBytes)
    if (waitsForContinue) outgoing.writeContinue()
    waitsForContinue = false
    let sizeBytes = 0
    const keepPace = watchPace()
    let waitingSince = performance.now()
    try {
      // Ending the iteration must not destroy the request: the answer goes out on the same socket.
      for await (const bytes of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
        sizeBytes += bytes.byteLength
        if (sizeBytes > limitBytes) throw tooLarge(limitBytes)
        keepPace(bytes.byteLength, performance.now() - waitingSince)
        yield bytes
        waitingSince = performance.now()
      }
    } catch (error) {
      if (isAborted(error)) throw new DepotError('BODY_TRUNCATED', 'the upload was cut off', { cause: error })
      throw error
    }
    if (!incoming.complete) throw new DepotError('BODY_TRUNCATED', 'the upload was cut off')
  }
  return {
    read,
    get waitsForContinue() {
      return waitsForContinue
    },
  }
}

function tooLarge(limitBytes: number): DepotError {
  return new DepotError('TOO_LARGE', `the body is larger than the ${limitBytes} bytes that are taken here`)
}

function isAborted(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    ['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'].includes(String(error.code))
  )
}
