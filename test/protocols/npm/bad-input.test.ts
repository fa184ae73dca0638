import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import path from 'node:path'
import { once } from 'node:events'
import { gzipSync } from 'node:zlib'

import { beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { distOf, publishOf, tarballOf, tarOf, type TarEntry } from '../../helpers/npm-fixtures.ts'
import { json, put, startNpmWorld } from '../../helpers/npm-world.ts'
import { rawRequest } from '../../helpers/raw-http.ts'
import type { World } from '../../helpers/world.ts'

const OWN = { name: 'victim', version: '1.0.0' }
const OWN_FILE = { name: 'package/package.json', content: JSON.stringify(OWN) }

let world: World
let good: Buffer
beforeAll(async () => void (good = await tarballOf(OWN)))
beforeEach(async () => {
  world = await startNpmWorld()
  return () => world[Symbol.asyncDispose]()
})

/** Every file below the blobs, staged ones included. */
async function storedFiles(): Promise<string[]> {
  const entries = await readdir(path.join(world.dir, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}

/** Nothing of it is there, in storage or for readers, and the name is still free. */
async function expectNoTrace(): Promise<void> {
  expect(await storedFiles()).toEqual([])
  for (const url of ['/npm/victim', '/npm/victim/1.0.0', '/npm/victim/latest', '/npm/victim/-/victim-1.0.0.tgz']) {
    expect([url, (await world.fetch(url)).status]).toEqual([url, 404])
  }
  expect((await put(world, 'victim', publishOf(OWN, good))).status).toBe(201)
  expect(world.bugs).toEqual([])
}

async function expectRefused(answer: Response, status = 400): Promise<void> {
  expect(answer.headers.get('content-type')).toBe('application/json')
  expect([answer.status, await json(answer)]).toEqual([status, { error: expect.any(String) as unknown }])
}

describe('a publish that contradicts itself', () => {
  const other = Buffer.from('other bytes')
  it.each<[string, () => unknown]>([
    ['a shasum of other bytes', () => publishOf(OWN, good, { dist: { shasum: distOf(other).shasum } })],
    ['an integrity of other bytes', () => publishOf(OWN, good, { dist: { integrity: distOf(other).integrity } })],
    ['an integrity that is none', () => publishOf(OWN, good, { dist: { integrity: 'md5-x' } })],
    ['another name in its body', () => ({ ...publishOf(OWN, good), name: 'evil' })],
    ['another name in its manifest', () => publishOf(OWN, good, { manifest: { name: 'evil' } })],
    ['another version in its manifest', () => publishOf(OWN, good, { manifest: { version: '9.9.9' } })],
    ['the name of another package', () => publishOf({ name: 'evil', version: '1.0.0' }, good)],
    ['another version than its tarball', () => publishOf({ name: 'victim', version: '9.9.9' }, good)],
    ['a tag of another version', () => ({ ...publishOf(OWN, good), 'dist-tags': { latest: '9.9.9' } })],
    ['a tag called constructor', () => ({ ...publishOf(OWN, good), 'dist-tags': { constructor: '1.0.0' } })],
    [
      'a dependency called constructor',
      () => publishOf(OWN, good, { manifest: { dependencies: { constructor: '1' } } }),
    ],
    ['a version called constructor', () => ({ ...publishOf(OWN, good), versions: { constructor: OWN } })],
    ['a wrong length', () => withAttachment({ length: good.byteLength + 1 })],
    ['no attachment', () => ({ ...publishOf(OWN, good), _attachments: {} })],
    ['data that is not base64', () => withAttachment({ data: '!!!!' })],
    ['data that is no string', () => withAttachment({ data: 1 })],
    ['empty data', () => withAttachment({ data: '', length: 0 })],
  ])('with %s leaves no trace', async (_what, body) => {
    await expectRefused(await put(world, 'victim', body()))
    await expectNoTrace()
  })

  it.each([
    '"dist-tags":{"__proto__":"1.0.0"}',
    '"versions":{"__proto__":{}}',
    '"x":[{"a":{"__proto__":{"polluted":1}}}]',
  ])('with %s leaves no trace, and pollutes nothing', async (member) => {
    const body = JSON.stringify(publishOf(OWN, good)).replace(/\}$/, `,${member}}`)
    await expectRefused(await put(world, 'victim', body))
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    await expectNoTrace()
  })

  function withAttachment(change: object): unknown {
    const body = publishOf(OWN, good)
    return { ...body, _attachments: { 'victim-1.0.0.tgz': { ...body._attachments['victim-1.0.0.tgz'], ...change } } }
  }
})

describe('a tarball that is not one', () => {
  const tars: [string, () => Promise<Uint8Array>][] = [
    ['plain text', async () => Buffer.from('no tarball')],
    ['a tar without gzip', () => tarOf([OWN_FILE])],
    ['truncated gzip', async () => good.subarray(0, good.byteLength - 9)],
    ['trailing junk', async () => Buffer.concat([good, Buffer.from('junk')])],
    ['a truncated tar', async () => gzipSync((await tarOf([OWN_FILE])).subarray(0, 600))],
    ['a package.json that is a link', gzipped({ ...OWN_FILE, type: 'symlink', linkname: '/etc/passwd' })],
    ['an absolute entry', gzipped(OWN_FILE, { name: '/etc/cron.d/x' })],
    ['an entry that climbs', gzipped(OWN_FILE, { name: 'package/../../../x' })],
    ['two package.json', gzipped(OWN_FILE, { ...OWN_FILE, content: '{"name":"evil","version":"1.0.0"}' })],
    ['a package.json of a stranger', gzipped({ ...OWN_FILE, content: '{"name":"evil","version":"1.0.0"}' })],
    ['a package.json that is no JSON', gzipped({ ...OWN_FILE, content: '{' })],
    ['no package.json', gzipped({ name: 'package/index.js' })],
  ]

  it.each(tars)('with %s leaves no trace when it is published', async (_what, make) => {
    await expectRefused(await put(world, 'victim', publishOf(OWN, await make())))
    await expectNoTrace()
  })

  it.each(tars)('with %s leaves no trace when it is brought in', async (_what, make) => {
    const body = Uint8Array.from(await make())
    await expectRefused(await world.fetch('/npm/victim/-/victim-1.0.0.tgz', { method: 'PUT', body }))
    await expectNoTrace()
  })

  function gzipped(...entries: TarEntry[]): () => Promise<Uint8Array> {
    return async () => gzipSync(await tarOf(entries))
  }
})

describe('a body', () => {
  it('that is cut anywhere leaves no trace', async () => {
    const body = Buffer.from(JSON.stringify(publishOf(OWN, good)))
    for (let cut = 1; cut <= 20; cut++) {
      const part = body.subarray(0, Math.floor((body.byteLength * cut) / 21))
      // Whole requests of a part, and a part of a promised whole before the client goes away.
      await expectRefused(await put(world, 'victim', part.toString()))
      await abandon(`PUT /npm/victim HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.byteLength}\r\n\r\n`, part)
    }
    // Who abandons an upload is not told when the server has noticed.
    await expect.poll(() => world.refusals.length).toBe(40)
    await expectNoTrace()
  })

  it('that nests without end is refused', async () => {
    await expectRefused(await put(world, 'victim', `{"versions":${'['.repeat(1_000_000)}`))
    await expectRefused(await put(world, 'victim', '{"a":'.repeat(1_000_000)))
    await expectNoTrace()
  })

  it('that is larger than a manifest may be is refused', async () => {
    const body = publishOf(OWN, good, { manifest: { readme: 'x'.repeat(LIMITS.npmManifestBytesMax) } })
    await expectRefused(await put(world, 'victim', body), 413)
    await expectNoTrace()
  })

  it.each(['', '[]', 'null', '"text"', '42', '{}', '\0', 'ÿ'])('%j is refused', async (body) => {
    await expectRefused(await put(world, 'victim', body))
    await expectRefused(await world.fetch('/npm/victim/1.0.0', { method: 'PUT', body }))
  })

  async function abandon(head: string, body: Uint8Array): Promise<void> {
    const { hostname, port } = new URL(world.url)
    const socket = connect({ host: hostname, port: Number(port) })
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(head.replace('Host: x', `Host: ${hostname}:${port}`))
    await new Promise((resolve) => socket.write(body, resolve))
    socket.destroy()
  }
})

describe('a name', () => {
  const names = [
    '..%2f..%2fpwn.tgz',
    '%2e%2e%2f%2e%2e%2fpwn',
    '..%5c..%5cpwn',
    '.%2e/pwn',
    '@acme%2f..%2f..%2fpwn',
    '@..%2fpwn',
    '%2fetc%2fpasswd',
    'a%00b',
    'a%0d%0aSet-Cookie:x',
    '%c0%ae%c0%ae%2fpwn',
    '..%252f..%252fpwn',
    '..;/pwn',
    'UPPER',
    'http',
    '_private',
    '.hidden',
    '%F0%9F%92%A9',
    'a'.repeat(215),
    'constructor',
  ]

  it.each(names)('%s is refused on every route', async (name) => {
    const body = JSON.stringify(publishOf(OWN, good))
    const targets = [`/npm/${name}`, `/npm/victim/-/${name}`, `/npm/${name}/-/victim-1.0.0.tgz`, `/npm/victim/${name}`]
    for (const target of targets) {
      const { status } = await rawRequest(world.url, { method: 'PUT', path: target, body })
      expect([target, status >= 400 && status < 500]).toEqual([target, true])
    }
    expect((await rawRequest(world.url, { path: `/npm/${name}` })).status).toBeOneOf([400, 404])
    await expectNoTrace()
  })
})
