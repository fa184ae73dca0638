import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { gzipSync } from 'node:zlib'

import type { TokenSource } from '../../src/client/token-source.ts'
import { sha256Nix32 } from '../helpers/nar.ts'
import { uploadForm } from '../helpers/python-upload.ts'
import { buildWheel, tarGz } from '../helpers/wheel.ts'
import { publishBody } from './fill.ts'
import { fileArchive, narinfo } from './nar.ts'

/** Names that are taken in turn, so that what is stored does not grow with the time. */
const SLOTS = 60
const NAR_BYTES = 60_000
const LARGE_NAR_BYTES = 8 << 20
const LARGE_EVERY = 40

/** What clients of all kinds do, each time with other bytes. */
export interface SoakLoad {
  /** The next of them, from its beginning to its end. @throws Error when an answer is another than a client expects */
  step(): Promise<void>
}

export interface SoakTarget {
  readonly url: string
  /** A stored token that may do everything. */
  readonly authorization: string
  /** A login that is made anew, as one who comes for the first time has it. */
  readonly newLogin: () => TokenSource
}

/** Uploads, reads, refusals, cut uploads, deletions, searches and logins, in an order that repeats. */
export function soakLoad(target: SoakTarget): SoakLoad {
  const ask = asker(target)
  const steps = [
    ...nixSteps(ask),
    ...npmSteps(ask),
    ...pythonSteps(ask),
    ...accountSteps(ask, target),
    () => cutUpload(target, `/nix/nar/${sha256Nix32(randomBytes(8))}.nar`),
    () => cutUpload(target, '/npm/cut'),
  ]
  let turn = 0
  return { step: () => steps[turn++ % steps.length]?.() ?? Promise.resolve() }
}

interface Sent {
  readonly method?: string
  readonly body?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  /** Every status but these is an error; 2xx where nothing is said. */
  readonly expected?: readonly number[]
}

interface Answer {
  readonly headers: Headers
  readonly text: string
}

type Ask = (path: string, sent?: Sent) => Promise<Answer>
type Step = () => Promise<void>

function asker({ url, authorization }: SoakTarget): Ask {
  return async (path, { method = 'GET', body, headers = {}, expected = [200, 201, 204] } = {}) => {
    const bytes = typeof body === 'string' || body === undefined ? body : Uint8Array.from(body)
    const answer = await fetch(url + path, {
      method,
      headers: { authorization, ...headers },
      ...(bytes === undefined ? {} : { body: bytes }),
    })
    const text = Buffer.from(await answer.arrayBuffer()).toString('latin1')
    if (!expected.includes(answer.status)) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`)
    return { headers: answer.headers, text }
  }
}

function nixSteps(ask: Ask): readonly Step[] {
  const stored = new Map<string, string>()
  let count = 0
  const hashOf = (slot: number): string => String(slot % SLOTS).padStart(32, '0')

  async function put(): Promise<void> {
    const storeHash = hashOf(++count)
    const sizeBytes = count % LARGE_EVERY === 0 ? LARGE_NAR_BYTES : NAR_BYTES
    const { head, tail } = fileArchive(sizeBytes)
    const archive = Buffer.concat([head, randomBytes(sizeBytes / 2), Buffer.alloc(sizeBytes / 2, count), tail])
    const narHash = sha256Nix32(archive)
    const zipped = count % 5 === 0 ? gzipSync(archive, { level: 1 }) : undefined
    const file = zipped === undefined ? `${narHash}.nar` : `${sha256Nix32(zipped)}.nar.gz`
    await ask(`/nix/nar/${file}`, { method: 'PUT', body: zipped ?? archive })
    const compression = zipped === undefined ? 'none' : 'gzip'
    const fields = { storeHash, url: `nar/${file}`, compression, narHash, narSize: archive.byteLength }
    await ask(`/nix/${storeHash}.narinfo`, { method: 'PUT', body: narinfo(fields) })
    stored.set(storeHash, narHash)
  }

  async function get(): Promise<void> {
    const [storeHash, narHash] = pick(stored) ?? []
    if (storeHash === undefined) return
    const gone = { expected: [200, 404] }
    const answer = await ask(`/nix/${storeHash}.narinfo`, gone)
    await ask(`/nix/${storeHash}.narinfo`, {
      headers: { 'if-none-match': answer.headers.get('etag') ?? '' },
      expected: [200, 304, 404],
    })
    for (const suffix of ['.nar.zst', '.nar']) await ask(`/nix/nar/${narHash}${suffix}`, gone)
  }

  async function remove(): Promise<void> {
    const storeHash = hashOf(count + 1)
    if (stored.delete(storeHash)) await ask(`/nix/-/paths/${storeHash}`, { method: 'DELETE' })
    await ask(`/nix/${storeHash}.narinfo`, { expected: [404] })
  }

  async function refused(): Promise<void> {
    const wrong = sha256Nix32(randomBytes(8))
    await ask(`/nix/nar/${wrong}.nar`, { method: 'PUT', body: fileArchive(0).head, expected: [422] })
    await ask(`/nix/nar/${wrong}.nar`, { expected: [404] })
  }

  return [remove, put, get, get, refused]
}

function npmSteps(ask: Ask): readonly Step[] {
  const stored = new Map<string, string>()
  let count = 0

  async function publish(): Promise<void> {
    const name = `soak-${++count % SLOTS}`
    const version = `1.0.${count}`
    const manifest = { name, version, description: `the package of turn ${count}`, keywords: ['soak', `k${count % 7}`] }
    const tarball = tarGz([
      { name: 'package/package.json', content: JSON.stringify(manifest) },
      { name: 'package/data.bin', content: randomBytes(count % LARGE_EVERY === 0 ? LARGE_NAR_BYTES : 30_000) },
    ])
    const headers = { 'content-type': 'application/json' }
    const body = publishBody(manifest, tarball)
    await ask(`/npm/${name}`, { method: 'PUT', headers, body })
    await ask(`/npm/${name}`, {
      method: 'PUT',
      headers,
      body: body.replace('"shasum":"', '"shasum":"0'),
      expected: [400, 409],
    })
    stored.set(name, version)
  }

  async function install(): Promise<void> {
    const [name, version] = pick(stored) ?? []
    if (name === undefined) return
    const gone = { expected: [200, 404] }
    await ask(`/npm/${name}`, { ...gone, headers: { accept: 'application/vnd.npm.install-v1+json' } })
    await ask(`/npm/${name}`, gone)
    await ask(`/npm/${name}/-/${name}-${version}.tgz`, gone)
    await ask('/npm/-/npm/v1/security/advisories/bulk', { method: 'POST', body: JSON.stringify({ [name]: [version] }) })
  }

  async function remove(): Promise<void> {
    const name = `soak-${(count + 1) % SLOTS}`
    const version = stored.get(name)
    if (stored.delete(name)) await ask(`/npm/${name}/${version}`, { method: 'DELETE' })
    await ask(`/npm/nobody-${count}`, { expected: [404] })
  }

  async function search(): Promise<void> {
    await ask(`/npm/-/v1/search?text=soak%20k${count % 7}&size=20`)
  }

  return [remove, publish, install, install, search]
}

function pythonSteps(ask: Ask): readonly Step[] {
  const stored = new Map<string, string>()
  let count = 0

  async function upload(): Promise<void> {
    const name = `soak-${++count % SLOTS}`
    const large = count % LARGE_EVERY === 0
    const extra = [{ name: `${name}.bin`, content: randomBytes(large ? LARGE_NAR_BYTES : 30_000) }]
    const file = buildWheel({ name, version: `1.${count}`, extra })
    const { contentType, body } = uploadForm(file)
    const headers = { 'content-type': contentType }
    await ask('/python/legacy/', { method: 'POST', headers, body })
    const wrong = uploadForm(buildWheel({ name, version: `2.${count}` }), { sha256_digest: '0'.repeat(64) })
    await ask('/python/legacy/', { method: 'POST', headers, body: wrong.body, expected: [400] })
    stored.set(name, file.filename)
  }

  async function install(): Promise<void> {
    const [name, filename] = pick(stored) ?? []
    if (name === undefined) return
    const gone = { expected: [200, 404] }
    await ask(`/python/simple/${name}/`, { ...gone, headers: { accept: 'application/vnd.pypi.simple.v1+json' } })
    await ask(`/python/simple/${name}/`, gone)
    await ask('/python/simple/')
    for (const suffix of ['.metadata', '']) await ask(`/python/files/${name}/${filename}${suffix}`, gone)
  }

  async function remove(): Promise<void> {
    const name = `soak-${(count + 1) % SLOTS}`
    if (!stored.delete(name)) return
    await ask(`/python/-/projects/${name}/deletions`, { method: 'POST', body: JSON.stringify({ all: true }) })
  }

  return [remove, upload, install, install]
}

function accountSteps(ask: Ask, { newLogin }: SoakTarget): readonly Step[] {
  const login = async (method: string, path: string): Promise<Record<string, string>> => ({
    authorization: (await newLogin().authorization({ method, path })) ?? '',
  })

  async function session(): Promise<void> {
    await ask('/-/session', { headers: await login('GET', '/-/session') })
    await ask('/-/session', {
      headers: { authorization: `Bearer dpt_${randomBytes(20).toString('hex')}` },
      expected: [401],
    })
    await ask('/npm/soak-refused', { method: 'PUT', body: '{}', headers: { authorization: '' }, expected: [401] })
  }

  async function token(): Promise<void> {
    const body = JSON.stringify({ name: 'soak', grants: ['nix:read:*'] })
    const made = await makeToken(ask, '/-/tokens', { method: 'POST', body, headers: await login('POST', '/-/tokens') })
    const path = `/-/tokens/${made.info.id}`
    await ask('/-/session', { headers: { authorization: `Bearer ${made.token}` } })
    await ask(path, { method: 'DELETE', headers: await login('DELETE', path) })
  }

  return [session, token]
}

interface MadeToken {
  readonly token: string
  readonly info: { readonly id: string }
}

async function makeToken(ask: Ask, path: string, sent: Sent): Promise<MadeToken> {
  return JSON.parse((await ask(path, sent)).text) as MadeToken
}

/** Half of what was announced, and gone. */
function cutUpload({ url, authorization }: SoakTarget, path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const headers = { authorization, 'content-type': 'application/json', 'content-length': 400_000 }
  const outgoing = request(url + path, { method: 'PUT', headers, agent: false })
  outgoing.once('close', resolve).on('error', () => {})
  outgoing.write(Buffer.concat([fileArchive(399_000).head, randomBytes(200_000)]), () => {
    setTimeout(() => outgoing.destroy(), 50)
  })
  return promise
}

function pick<K, V>(map: ReadonlyMap<K, V>): readonly [K, V] | undefined {
  return [...map][Math.floor(Math.random() * map.size)]
}
