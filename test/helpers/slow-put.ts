import { request } from 'node:http'

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
