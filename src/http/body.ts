import { createGunzip } from 'node:zlib'
import { pipeline, Readable } from 'node:stream'

import { breath } from '../breath.ts'
import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { DepotRequest } from '../protocol.ts'

type WithBody = Pick<DepotRequest, 'body' | 'headers'>

/** The whole body as UTF-8 text. @throws DepotError `TOO_LARGE`, `BAD_REQUEST` for bytes that are not UTF-8 */
export async function readText(request: WithBody, limitBytes: number): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of decodedBody(request, limitBytes)) pieces.push(Uint8Array.from(piece))
  return decodeText(Buffer.concat(pieces))
}

/** Bytes of a body as UTF-8 text, a byte order mark included. @throws DepotError `BAD_REQUEST` */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new DepotError('BAD_REQUEST', 'the body is not UTF-8 text', { cause })
  }
}

/** The whole body as JSON. @throws DepotError as `readText` and `parseJson` */
export async function readJson(request: WithBody, limitBytes: number): Promise<unknown> {
  const text = await readText(request, limitBytes)
  // Bodies of many requests may end at the same moment, and nothing can interrupt a parser.
  await breath()
  return parseJson(text)
}

/**
 * Parse JSON from outside.
 *
 * @throws DepotError `BAD_REQUEST` when it is not JSON, nests deeper than `LIMITS.jsonDepthMax`, or has a `__proto__` key,
 * which some later copy of the object could take for its prototype; `TOO_LARGE` above `LIMITS.jsonValuesMax`.
 */
export function parseJson(text: string): unknown {
  refuseShape(text)
  try {
    // A reviver makes parsing ten times slower, and only a text that spells the key can have it.
    return MAY_POLLUTE.test(text) ? JSON.parse(text, refusePrototype) : JSON.parse(text)
  } catch (error) {
    if (error instanceof DepotError) throw error
    throw new DepotError('BAD_REQUEST', 'the body is not JSON', { cause: error })
  }
}

/** The key as it is, or with any of its letters escaped. */
const MAY_POLLUTE = /__proto__|\\u00[567]/i

function refusePrototype(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new DepotError('BAD_REQUEST', 'the JSON has a __proto__ key')
  return value
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPENING = new Set([0x5b, 0x7b])
const CLOSING = new Set([0x5d, 0x7d])

/**
 * Before the parser runs, which nothing can interrupt: a million open brackets would end the process's stack, and millions of
 * small values stop every other request for seconds.
 */
function refuseShape(text: string): void {
  let depth = 0
  let values = 1
  let quoted = false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (quoted) {
      if (code === BACKSLASH) index++
      else if (code === QUOTE) quoted = false
    } else if (code === QUOTE) quoted = true
    else if (code === COMMA) values++
    else if (OPENING.has(code)) {
      depth++
      values++
    } else if (CLOSING.has(code)) depth--
    if (values > LIMITS.jsonValuesMax)
      throw new DepotError('TOO_LARGE', `the JSON has more than ${LIMITS.jsonValuesMax} values`)
    if (depth > LIMITS.jsonDepthMax)
      throw new DepotError('BAD_REQUEST', `the JSON nests deeper than ${LIMITS.jsonDepthMax}`)
  }
}

/**
 * The body with its Content-Encoding (none or gzip) taken off; the limit holds before and after.
 *
 * @throws DepotError `UNSUPPORTED_CODEC`, `TOO_LARGE`, `BODY_TRUNCATED`, `BAD_REQUEST` for what is not gzip
 */
export async function* decodedBody(request: WithBody, limitBytes: number): AsyncGenerator<Uint8Array> {
  const coding = (request.headers.get('content-encoding') ?? 'identity').trim().toLowerCase()
  if (coding === 'identity') return yield* request.body(limitBytes)
  if (coding !== 'gzip')
    throw new DepotError('UNSUPPORTED_CODEC', 'send the body as it is, or with Content-Encoding: gzip')
  const inflated = pipeline(Readable.from(request.body(limitBytes), { objectMode: false }), createGunzip(), () => {})
  let sizeBytes = 0
  try {
    for await (const piece of inflated as AsyncIterable<Uint8Array>) {
      sizeBytes += piece.byteLength
      if (sizeBytes > limitBytes) throw new DepotError('TOO_LARGE', `more than ${limitBytes} bytes`)
      yield piece
    }
  } catch (error) {
    if (error instanceof DepotError) throw error
    throw new DepotError('BAD_REQUEST', 'the body is not whole gzip data', { cause: error })
  }
}
