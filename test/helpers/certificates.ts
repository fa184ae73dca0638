import { execFileSync } from 'node:child_process'
import { createServer } from 'node:https'
import { request } from 'node:http'
import { readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'

import { have } from './have.ts'
import { tempDir } from './temp-dir.ts'

/** An authority of its own, which nobody trusts yet. */
export interface Authority extends AsyncDisposable {
  /** The file of its certificate. */
  readonly file: string
  /**
   * A server that speaks TLS before a depot, with a certificate for these names (`DNS:localhost`).
   *
   * @param at when the certificate was made, for a day
   */
  front(target: string, names: string, at?: string): Promise<AsyncDisposable & { readonly port: number }>
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

export async function makeAuthority(): Promise<Authority> {
  const dir = await tempDir('authority')
  const [file, key] = [dir.join('ca.pem'), dir.join('ca.key')]
  openssl('req', '-x509', ...KEY, '-days', '3650', '-subj', '/CN=Authority of the test', '-keyout', key, '-out', file)

  function issue(names: string, at: string | undefined): { readonly cert: Buffer; readonly key: Buffer } {
    const [own, asked, cert, ext] = ['own.key', 'own.csr', 'own.pem', 'own.ext'].map((name) => dir.join(name)) as [
      string,
      string,
      string,
      string,
    ]
    openssl('req', ...KEY, '-subj', '/CN=a depot', '-keyout', own, '-out', asked)
    writeFileSync(ext, `subjectAltName=${names}\n`)
    const sign = [
      'x509',
      '-req',
      '-in',
      asked,
      '-CA',
      file,
      '-CAkey',
      key,
      '-CAcreateserial',
      '-extfile',
      ext,
      '-out',
      cert,
    ]
    if (at === undefined) openssl(...sign, '-days', '90')
    else execFileSync(have.paths.faketime, [at, have.paths.openssl, ...sign, '-days', '1'], { stdio: 'ignore' })
    return { cert: readFileSync(cert), key: readFileSync(own) }
  }

  return {
    file,
    async front(target, names, at) {
      const server = createServer(issue(names, at), (incoming, outgoing) => {
        const { hostname, port } = new URL(target)
        const options = { hostname, port, method: incoming.method, path: incoming.url, headers: incoming.headers }
        const onward = request(options, (answer) => {
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(outgoing)
        })
        onward.on('error', () => outgoing.destroy())
        incoming.pipe(onward)
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return {
        port: (server.address() as AddressInfo).port,
        async [Symbol.asyncDispose]() {
          server.closeAllConnections()
          await new Promise((resolve) => server.close(resolve))
        },
      }
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  }
}

function openssl(...args: readonly string[]): void {
  execFileSync(have.paths.openssl, args, { stdio: 'ignore' })
}
