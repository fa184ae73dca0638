import http from 'node:http'
import https from 'node:https'

import type { z } from 'zod'

import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { messageOf, systemCode } from '../../src/thrown.ts'
import { clientName } from '../version.ts'

/** An answer over HTTP. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
}

export interface Question {
  readonly url: URL
  /** It is late after so long. */
  readonly limitMs: number
  readonly headers?: Readonly<Record<string, string>>
  /** Certificates to trust, PEM; by default those that Node does. */
  readonly ca?: readonly string[] | undefined
}

/**
 * GET, once: no redirect is followed, no proxy used, nothing kept open.
 *
 * @throws Error of the network, with its code, or DepotError `STORAGE_DOWN` for one that is late, or too long
 */
export function askOnce({ url, limitMs, headers = {}, ca }: Question): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { get } = url.protocol === 'https:' ? https : http
    const signal = AbortSignal.timeout(limitMs)
    const options = {
      agent: false,
      signal,
      headers: { 'user-agent': clientName(), ...headers },
      ...(ca === undefined ? {} : { ca: [...ca] }),
    } as const
    const failed = (error: unknown): void => reject(signal.aborted ? late() : error)
    const request = get(url, options, (response) => {
      collect(response).then(
        (text) =>
          resolve({
            status: response.statusCode ?? 0,
            headers: Object.fromEntries(
              Object.entries(response.headers).map(([name, value]) => [name, [value].flat()[0]]),
            ),
            text,
          }),
        failed,
      )
    })
    request.on('error', failed)
  })
}

/** How long one question may take where all of them together take `limitMs` at most: some come after another. Pure. */
export function probeMs(limitMs: number): number {
  return Math.max(LIMITS.doctorProbeMs, Math.floor((limitMs * LIMITS.doctorProbeMs) / LIMITS.doctorMs))
}

/** Nothing came in the time that one question has. */
export function late(): DepotError {
  return new DepotError('STORAGE_DOWN', 'no answer in time')
}

/** Why no answer came, in a word where the system has one. */
export function whyNot(error: unknown): string {
  return error instanceof DepotError ? error.message : (systemCode(error) ?? messageOf(error))
}

async function collect(from: http.IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of from) {
    const part = piece as Buffer
    bytes += part.length
    if (bytes > LIMITS.doctorAnswerBytesMax) throw new DepotError('STORAGE_DOWN', 'its answer is too long')
    pieces.push(part)
  }
  return Buffer.concat(pieces).toString('utf8')
}

/** What an answer in JSON says; undefined when it is something else. */
export function jsonOf<T>({ text }: Answer, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** Whether this is the start page of a depot. */
export function isWelcome({ status, text }: Answer): boolean {
  return status === 200 && text.startsWith('This is a depot')
}
