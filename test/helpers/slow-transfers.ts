import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'

import { buildWheel } from './wheel.ts'

/** A PUT that sends half of its body and the rest when it is told to. */
export function slowPut(
  url: string,
  bytes: Uint8Array,
): { readonly started: Promise<void>; finish(): Promise<number> } {
  const { promise: answered, resolve, reject } = Promise.withResolvers<number>()
  answered.catch(() => {})
  const outgoing = request(url, { method: 'PUT', headers: { 'Content-Length': bytes.byteLength } }, (answer) => {
    answer.resume()
    answer.once('end', () => resolve(answer.statusCode ?? 0))
  })
  outgoing.once('error', reject)
  const half = bytes.byteLength >> 1
  const started = new Promise<void>((sent) => outgoing.write(bytes.subarray(0, half), () => setTimeout(sent, 200)))
  return {
    started,
    finish() {
      outgoing.end(bytes.subarray(half))
      return answered
    },
  }
}

/** A GET that reads the beginning of its answer and the rest when it is told to, over a connection of its own. */
export async function slowGet(url: string): Promise<{ rest(): Promise<Buffer> }> {
  const outgoing = request(url, { agent: false })
  outgoing.end()
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  await once(answer, 'readable')
  return { rest: () => buffer(answer) }
}

/** A wheel as it is PUT: where, and what. */
export function wheelUpload(
  name: string,
  data: Uint8Array = randomBytes(300_000),
): { readonly path: string; readonly content: Buffer } {
  const built = buildWheel({ name, version: '1.0', extra: [{ name: 'data.bin', content: Buffer.from(data) }] })
  return { path: `/python/${name}/${built.filename}`, content: Buffer.from(built.bytes) }
}
