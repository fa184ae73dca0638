import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'

import { afterEach, beforeAll, expect, it } from 'vitest'

import { describeWith, have } from '../../helpers/have.ts'
import { sha256Hex } from '../../helpers/nar.ts'
import { SHOWN, startTestProxy } from '../../helpers/proxy.ts'
import { rawRequest } from '../../helpers/raw-http.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const LARGE = randomBytes(20_000_000)

describeWith('openssl', 'a proxy to a depot that speaks TLS', () => {
  const trusted = getCACertificates('default')
  let identity: { key: string; cert: string }

  beforeAll(async () => {
    await using dir = await tempDir('tls')
    const [key, cert] = [dir.join('key.pem'), dir.join('cert.pem')]
    const kind = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost'.split(' ')
    const names = ['-addext', 'subjectAltName=DNS:localhost']
    execFileSync(have.paths.openssl, ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    })
    identity = { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') }
  })
  afterEach(() => setDefaultCACertificates(trusted))

  async function startDepot(authorizations: (string | undefined)[] = []) {
    const server = createServer(identity, (incoming, outgoing) => {
      authorizations.push(incoming.headers.authorization)
      if (incoming.method === 'PUT') void text(incoming).then((body) => outgoing.end(body))
      else outgoing.writeHead(200, { 'Content-Length': LARGE.byteLength }).end(LARGE)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return {
      port: (server.address() as AddressInfo).port,
      authorizations,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      },
    }
  }

  it('sends there and brings back what it is given, large bodies too', async () => {
    setDefaultCACertificates([...trusted, identity.cert])
    await using depot = await startDepot()
    await using proxy = await startTestProxy(`https://localhost:${depot.port}`)
    for (let round = 0; round < 3; round++) {
      expect(sha256Hex((await rawRequest(proxy.url, { path: '/' })).body)).toBe(sha256Hex(LARGE))
      const echo = await rawRequest(proxy.url, { method: 'PUT', path: '/', body: 'a body' })
      expect(echo.body.toString()).toBe('a body')
    }
    expect(new Set(depot.authorizations)).toEqual(new Set([SHOWN]))
  })

  it('shows nothing to a depot whose certificate is not trusted, or is of another name, and says so', async () => {
    await using depot = await startDepot()
    await using stranger = await startTestProxy(`https://localhost:${depot.port}`)
    const told = (await rawRequest(stranger.url, { path: '/' })).body.toString()
    expect(told).toMatch(/the certificate of https:\/\/localhost:\d+ is not trusted: .*NODE_EXTRA_CA_CERTS/)
    setDefaultCACertificates([...trusted, identity.cert])
    await using misled = await startTestProxy(`https://127.0.0.1:${depot.port}`)
    expect(await rawRequest(misled.url, { path: '/' })).toMatchObject({ status: 502 })
    expect(depot.authorizations).toEqual([])
  })
})
