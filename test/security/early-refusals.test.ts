import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { LIMITS } from '../../src/limits.ts'
import { loginFor, makeLoginKey } from '../helpers/forged-logins.ts'
import { keyCaller, NOBODY, type Caller } from '../helpers/guarded-routes.ts'
import { BOUNDARY } from '../helpers/python-upload.ts'
import { storedFiles } from '../helpers/stored-files.ts'
import { startWorld, type World } from '../helpers/world.ts'

const [writer, reader, narrow] = [makeLoginKey(), makeLoginKey(), makeLoginKey()]
const MIB = 1024 * 1024

let world: World
beforeAll(async () => {
  const lines = [`w ${writer.line}`, `r ${reader.line}`, `w ${narrow.line} scope=python:*:in-*,npm:*:@in/*`]
  world = await startWorld({ authFile: lines.join('\n') })
})
afterAll(() => world[Symbol.asyncDispose]())

interface Upload {
  readonly caller: Caller
  readonly method: string
  readonly path: string
  readonly lengthBytes: number
  readonly headers?: Readonly<Record<string, string>>
}

interface Sent extends Disposable {
  readonly socket: Socket
  /** Everything that came back so far. */
  text(): string
  /** Wait for the first line of an answer that is no `100 Continue`. */
  status(): Promise<number>
}

/** Send the head of an upload, and leave its body to the test. */
async function begin({ caller, method, path, lengthBytes, headers = {} }: Upload): Promise<Sent> {
  const { hostname, port, host } = new URL(world.url)
  const socket = connect({ host: hostname, port: Number(port) })
  await once(socket, 'connect')
  let text = ''
  socket.on('data', (bytes) => (text += bytes.toString('latin1')))
  socket.on('error', () => {})
  const authorization = caller.authorization(method, path)
  const lines = Object.entries({
    Host: host,
    'Content-Length': String(lengthBytes),
    ...(authorization === undefined ? {} : { Authorization: authorization }),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
  const status = () => Number(/^HTTP\/1\.1 (?!100)(?<status>\d{3}) /m.exec(text)?.groups?.['status'] ?? 0)
  return {
    socket,
    text: () => text,
    async status() {
      await expect.poll(status).not.toBe(0)
      return status()
    },
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

/** Leave an upload that was let in. What of it was staged is cleared away when the server has noticed, and it is refused after that. */
async function goAway({ socket }: Sent): Promise<void> {
  const before = world.refusals.length
  socket.destroy()
  await expect.poll(() => world.refusals.slice(before)).toEqual(['BODY_TRUNCATED'])
  expect(await storedFiles(world.dir)).toEqual([])
}

const key =
  (name: string, which: typeof writer): (() => Caller) =>
  () =>
    keyCaller(name, which, world.url)
const nobody = (): Caller => NOBODY
const bad = (): Caller => ({
  name: 'bad',
  authorization: (method, path) => `Bearer ${loginFor(reader, 'http://other.example', method, path)}`,
})
const NAR = `/nix/nar/${'0'.repeat(52)}.nar`

const REFUSALS: readonly (readonly [
  status: number,
  caller: () => Caller,
  method: string,
  path: string,
  lengthBytes: number,
])[] = [
  [401, nobody, 'PUT', NAR, 500 * MIB],
  [401, nobody, 'PUT', '/npm/@in/pkg', 500 * MIB],
  [401, nobody, 'POST', '/python/legacy/', 500 * MIB],
  [401, nobody, 'POST', '/-/tokens', 500 * MIB],
  [401, bad, 'PUT', NAR, 500 * MIB],
  [401, bad, 'POST', '/python/legacy/', 500 * MIB],
  [403, key('reader', reader), 'PUT', NAR, 500 * MIB],
  [403, key('reader', reader), 'PUT', '/npm/@in/pkg', 500 * MIB],
  [403, key('reader', reader), 'POST', '/python/legacy/', 500 * MIB],
  [403, key('narrow', narrow), 'PUT', NAR, 500 * MIB],
  [403, key('narrow', narrow), 'PUT', '/npm/@out/pkg', 500 * MIB],
  [403, key('narrow', narrow), 'PUT', '/python/out/out-1.0.tar.gz', 500 * MIB],
  [413, key('writer', writer), 'PUT', NAR, LIMITS.blobBytesMax + 1],
  [413, key('writer', writer), 'PUT', '/npm/@in/pkg', LIMITS.npmPublishBytesMax + 1],
  [413, key('writer', writer), 'PUT', `/nix/${'0'.repeat(32)}.narinfo`, LIMITS.narinfoBytesMax + 1],
  [413, key('writer', writer), 'POST', '/-/tokens', LIMITS.accountBodyBytesMax + 1],
]

describe('an upload that is refused', () => {
  it.each(REFUSALS)(
    'with %i hears so before it sends its body: %o %s %s',
    async (status, caller, method, path, lengthBytes) => {
      using sent = await begin({ caller: caller(), method, path, lengthBytes })
      expect(await sent.status()).toBe(status)
      expect(sent.text()).not.toContain('100 Continue')
    },
  )

  it.each(REFUSALS)(
    'with %i is not asked for its body: %o %s %s',
    async (status, caller, method, path, lengthBytes) => {
      const headers = { Expect: '100-continue' }
      using sent = await begin({ caller: caller(), method, path, lengthBytes, headers })
      expect(await sent.status()).toBe(status)
      await expect.poll(() => sent.socket.closed).toBe(true)
      expect(sent.text()).not.toContain('100 Continue')
    },
  )

  it('is asked for its body when it is not refused', async () => {
    const headers = { Expect: '100-continue' }
    using sent = await begin({ caller: key('writer', writer)(), method: 'PUT', path: NAR, lengthBytes: MIB, headers })
    await expect.poll(() => sent.text()).toContain('100 Continue')
    await goAway(sent)
  })

  it('hears the answer while it is still sending', async () => {
    using sent = await begin({ caller: NOBODY, method: 'PUT', path: NAR, lengthBytes: 40 * MIB })
    for (let count = 0; count < 40; count++) sent.socket.write(Buffer.alloc(MIB))
    expect(await sent.status()).toBe(401)
    expect(await storedFiles(world.dir)).toEqual([])
  })
})

describe('a form for a project outside of the scope', () => {
  const form = (project: string) =>
    [
      ...[
        [':action', 'file_upload'],
        ['name', project],
        ['version', '1.0'],
        ['filetype', 'sdist'],
      ].map(([name, value]) => `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`),
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="${project}-1.0.tar.gz"\r\n\r\n`,
    ].join('')
  const upload = (headers: Readonly<Record<string, string>> = {}) => ({
    caller: keyCaller('narrow', narrow, world.url),
    method: 'POST',
    path: '/python/legacy/',
    lengthBytes: 200 * MIB,
    headers: { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}`, ...headers },
  })

  it.each([{}, { Expect: '100-continue' }])(
    'is refused when its file name is there, before its 200 MB are (%o)',
    async (headers) => {
      using sent = await begin(upload(headers))
      if ('Expect' in headers) await expect.poll(() => sent.text()).toContain('100 Continue')
      sent.socket.write(form('out'))
      expect(await sent.status()).toBe(403)
      expect(await storedFiles(world.dir)).toEqual([])
    },
  )

  it('is taken as far as it goes when the project is within', async () => {
    using sent = await begin(upload())
    sent.socket.write(form('in_one'))
    sent.socket.write(Buffer.alloc(MIB))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(sent.text()).toBe('')
    await goAway(sent)
  })

  it('is not let in by a name in the form that its file does not have', async () => {
    using sent = await begin(upload())
    sent.socket.write(form('out').replace('name="name"\r\n\r\nout', 'name="name"\r\n\r\nin_one'))
    sent.socket.write(Buffer.alloc(1000))
    expect(await sent.status()).toBe(403)
    expect(await storedFiles(world.dir)).toEqual([])
    expect(world.bugs).toEqual([])
  })
})
