import { createServer, get } from 'node:http'
import process from 'node:process'

/**
 * `node bare-relay.ts PORT ORIGIN`: the least that Node can do to pass on what another server has. Every GET is one of the same path there, and
 * its answer is piped back. It knows of nothing else: no signatures, no limits of time, no connection that breaks.
 */
function relay(port: number, origin: string): void {
  createServer((request, response) => {
    if (request.url === '/healthz') response.end()
    else
      get(origin + request.url, (answer) => {
        response.writeHead(answer.statusCode ?? 502, { 'Content-Length': answer.headers['content-length'] })
        answer.pipe(response)
      })
  }).listen(port, '127.0.0.1')
}

relay(Number(process.argv[2]), process.argv[3] ?? '')
