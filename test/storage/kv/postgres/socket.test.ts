import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { getCACertificates, setDefaultCACertificates, TLSSocket } from 'node:tls'

import { describe, expect, it } from 'vitest'

import { SteadySocket } from '../../../../storage/kv/postgres/socket.ts'
import type { SslMode } from '../../../../storage/kv/postgres/url.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'

describe('the socket under postgres.js', () => {
  it('carries bytes both ways, those written before it is connected too', async () => {
    await using server = await listen((socket) => socket.pipe(socket))
    using client = connected(server.port, 'disable')
    client.socket.write('early ')
    client.socket.write('bytes')
    expect(await client.read(11)).toBe('early bytes')
  })

  it('fails first, swallows what is written then, and closes only after that', async () => {
    await using server = await listen((socket) => void setTimeout(() => socket.destroy(), 20))
    const { socket } = connected(server.port, 'disable')
    const events: string[] = []
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('close', () => events.push('close'))
    await new Promise<void>((resolve) =>
      socket.once('error', () => {
        events.push('error')
        setImmediate(() => {
          socket.write('ROLLBACK')
          events.push('written')
          resolve()
        })
      }),
    )
    await closed
    expect(events).toEqual(['error', 'written', 'close'])
    expect(socket.readyState).toBe('closed')
  })

  it('reports a refused connection as an error', async () => {
    const server = await listen(() => {})
    await server[Symbol.asyncDispose]()
    const { socket } = connected(server.port, 'prefer')
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
  })

  it.each(['prefer', 'verify-full'] as const)(
    'with sslmode %s, hangs up on a server that took the call and says nothing, once nobody waits for it',
    async (ssl) => {
      const closed = Promise.withResolvers<string>()
      const called = Promise.withResolvers<void>()
      await using server = await listen((socket) => {
        socket.resume().once('data', () => called.resolve())
        socket.once('close', () => closed.resolve('closed'))
      })
      const client = connected(server.port, ssl)
      await called.promise
      client[Symbol.dispose]()
      expect(await Promise.race([closed.promise, sleep(2000, 'still open')])).toBe('closed')
    },
  )

  it.each([
    ['prefer', 'carries on in the clear'],
    ['require', 'ERR_TLS_REFUSED'],
    ['verify-full', 'ERR_TLS_REFUSED'],
  ] as const)('with sslmode %s, and a server that does not encrypt: %s', async (ssl, outcome) => {
    await using server = await listen(async (socket) => {
      await once(socket, 'data')
      socket.write('N')
      socket.pipe(socket)
    })
    using client = connected(server.port, ssl)
    client.socket.write('hello')
    const result = await Promise.race([
      client.read(5).then((text) => (text === 'hello' ? 'carries on in the clear' : text)),
      once(client.socket, 'error').then(([error]: NodeJS.ErrnoException[]) => error?.code),
    ])
    expect(result).toBe(outcome)
  })

  it.each([
    ['prefer', 'encrypted'],
    ['require', 'encrypted'],
    ['verify-full', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ] as const)('with sslmode %s, and a certificate that nobody vouches for: %s', async (ssl, outcome) => {
    const certificate = await selfSigned()
    await using server = await listen(async (plain) => {
      await once(plain, 'data')
      plain.write('S')
      const secure = new TLSSocket(plain, { isServer: true, ...certificate })
      secure.on('error', () => {})
      secure.pipe(secure)
    })
    using client = connected(server.port, ssl)
    client.socket.write('hello')
    const result = await Promise.race([
      client.read(5).then((text) => (text === 'hello' ? 'encrypted' : text)),
      once(client.socket, 'error').then(([error]: NodeJS.ErrnoException[]) => error?.code),
    ])
    expect(result).toBe(outcome)
  })

  it('holds the certificate against the address, when it was given one, and not against localhost', async () => {
    const certificate = await selfSigned()
    const before = getCACertificates('default')
    setDefaultCACertificates([certificate.cert])
    try {
      await using server = await listen(async (plain) => {
        await once(plain, 'data')
        plain.write('S')
        new TLSSocket(plain, { isServer: true, ...certificate }).on('error', () => {})
      })
      using client = connected(server.port, 'verify-full')
      const [error] = (await once(client.socket, 'error')) as [NodeJS.ErrnoException]
      expect(error.code).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
    } finally {
      setDefaultCACertificates(before)
    }
  })

  it('takes no answer that somebody may have lengthened before encryption began', async () => {
    await using server = await listen(async (socket) => {
      await once(socket, 'data')
      socket.write('Ninjected')
    })
    using client = connected(server.port, 'prefer')
    const [error] = (await once(client.socket, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ERR_TLS_REFUSED')
  })
})

async function listen(serve: (socket: Socket) => unknown) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    void serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function connected(port: number, ssl: SslMode) {
  const socket = new SteadySocket({ host: '127.0.0.1', port, ssl })
  socket.on('error', () => {})
  return {
    socket,
    async read(length: number): Promise<string> {
      let text = ''
      while (text.length < length) text += String((await once(socket, 'data'))[0])
      return text
    },
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

async function selfSigned(): Promise<{ key: string; cert: string }> {
  await using dir = await tempDir('tls')
  const [key, cert] = [dir.join('key.pem'), dir.join('cert.pem')]
  const kind = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '1',
    '-subj',
    '/CN=localhost',
  ]
  execFileSync('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') }
}
