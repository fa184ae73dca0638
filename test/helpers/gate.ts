import { request } from 'node:http'

import { startUpstream } from './upstream.ts'

/** A depot's front door that lets nobody in without the right Authorization header, and knows who tried. */
export interface Gate extends AsyncDisposable {
  readonly url: string
  /** Method and path of every request that was let in. */
  readonly admitted: readonly string[]
  readonly refused: readonly string[]
}

/** Requests keep their Host, so that addresses in answers are those of the gate. */
export async function startGate(target: string, authorization: string): Promise<Gate> {
  const admitted: string[] = []
  const refused: string[] = []
  const upstream = await startUpstream((incoming, outgoing) => {
    const { headers, method = '', url = '' } = incoming
    const allowed = headers.authorization === authorization
    ;(allowed ? admitted : refused).push(`${method} ${url}`)
    if (!allowed) {
      outgoing.writeHead(401, { 'WWW-Authenticate': 'Basic realm="depot"' }).end('who are you?')
      return
    }
    const { hostname, port } = new URL(target)
    const onward = request({ hostname, port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    incoming.pipe(onward)
  })
  return Object.assign(upstream, { admitted, refused })
}
