import { createCipheriv, createHash } from 'node:crypto'

import { distOf, publishOf, tarballOf } from '../helpers/npm-fixtures.ts'
import { postForm, uploadForm } from '../helpers/python-upload.ts'
import { storePathOf, type Compression } from '../helpers/store-path.ts'
import { buildWheel } from '../helpers/wheel.ts'

/** Something a client uploads and later wants back. */
export interface Artifact {
  readonly name: string
  /** Upload it and return the status. Rejects when the server goes away. */
  send(base: string): Promise<number>
  /** Read it back as its client would: 'whole', 'absent', or what is wrong with it. */
  verify(base: string): Promise<string>
}

/** Makes artifacts, of 10 KB to 5 MB and small ones more often unless told otherwise; the same seed makes the same ones. */
export interface ArtifactMaker {
  /** What one client pushes in one go, in order. `client` decides the ecosystem. */
  next(client: number): Promise<readonly Artifact[]>
}

export function artifactMaker(
  seed: number,
  random: () => number,
  sizeOfNext = () => Math.round(10_000 * 500 ** random()),
): ArtifactMaker {
  const pool = randomPool(seed)
  let count = 0
  const content = (): Buffer => {
    const sizeBytes = sizeOfNext()
    const offset = Math.floor(random() * (pool.byteLength - sizeBytes))
    return Buffer.concat([Buffer.from(`${seed} ${count}\n`), pool.subarray(offset, offset + sizeBytes)])
  }
  return {
    async next(client) {
      count++
      const kinds = [storePath('none'), npmPackage, pythonWheel, storePath('zstd'), storePath('gzip')]
      const make = kinds[client % kinds.length] ?? pythonWheel
      return make({ client, count, content: content() })
    },
  }
}

/** A small generator with a seed (mulberry32), because Math.random has none. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Making {
  readonly client: number
  readonly count: number
  readonly content: Buffer
}

/** A store path of one file: its archive under the uploader's name, then the narinfo. */
function storePath(compression: Compression) {
  return async ({ count, content }: Making): Promise<Artifact[]> => {
    const { file, packed, key, narinfo, nar, narHash } = storePathOf(`kill-${count}`, content, compression)
    const sha256 = sha256Of(nar)
    return [
      {
        name: `nar ${file}`,
        send: (base) => put(`${base}/nix/nar/${file}`, packed),
        verify: (base) => verifyBytes(`${base}/nix/nar/${narHash}.nar`, sha256),
      },
      {
        name: `narinfo ${key}`,
        send: (base) => put(`${base}/nix/${key}.narinfo`, Buffer.from(narinfo)),
        verify: (base) => verifyNarinfo(base, key, { narHash, sha256 }),
      },
    ]
  }
}

async function npmPackage({ client, count, content }: Making): Promise<Artifact[]> {
  const name = `kill-${client}`
  const packageJson = { name, version: `1.0.${count}` }
  const tarball = await tarballOf(packageJson, [{ name: 'package/data', content }])
  const { shasum } = distOf(tarball)
  const body = Buffer.from(JSON.stringify(publishOf(packageJson, tarball)))
  const url = (base: string): string => `${base}/npm/${name}`
  return [
    {
      name: `npm ${name}@${packageJson.version}`,
      send: (base) => put(url(base), body, 'application/json'),
      async verify(base) {
        const packument = (await json(url(base))) as { versions?: Record<string, { dist: { shasum: string } }> }
        const listed = packument.versions?.[packageJson.version]?.dist.shasum
        const bytes = await verifyBytes(`${url(base)}/-/${name}-${packageJson.version}.tgz`, sha256Of(tarball))
        return agree(listed, shasum, bytes)
      },
    },
  ]
}

async function pythonWheel({ client, count, content }: Making): Promise<Artifact[]> {
  const name = `kill-${client}`
  const file = buildWheel({ name, version: `1.0.${count}`, extra: [{ name: 'data', content }] })
  return [
    {
      name: `python ${file.filename}`,
      async send(base) {
        const response = await postForm(base, uploadForm(file))
        await response.arrayBuffer()
        return response.status
      },
      async verify(base) {
        const page = (await json(`${base}/python/simple/${name}/`)) as {
          files?: { filename: string; url: string; hashes: { sha256: string } }[]
        }
        const listed = page.files?.find(({ filename }) => filename === file.filename)
        const url = new URL(listed?.url ?? file.filename, `${base}/python/simple/${name}/`)
        return agree(listed?.hashes.sha256, file.sha256, await verifyBytes(url.href, file.sha256))
      },
    },
  ]
}

/** An index and the bytes must tell the same story. */
function agree(listed: string | undefined, expected: string, bytes: string): string {
  if (bytes === 'whole' && listed === undefined) return 'stored, but the index does not list it'
  if (listed === undefined) return bytes
  return listed === expected ? bytes : `the index says ${listed} for ${expected}`
}

async function verifyNarinfo(
  base: string,
  key: string,
  { narHash, sha256 }: { narHash: string; sha256: string },
): Promise<string> {
  const response = await fetch(`${base}/nix/${key}.narinfo`)
  const text = await response.text()
  if (response.status === 404) return 'absent'
  if (response.status !== 200) return `status ${response.status}`
  if (!text.includes(`\nNarHash: sha256:${narHash}\n`) || !text.includes('\nSig: '))
    return `not what was pushed: ${text}`
  const bytes = await verifyBytes(`${base}/nix/nar/${narHash}.nar`, sha256)
  return bytes === 'whole' ? bytes : `a narinfo whose archive is ${bytes}`
}

async function verifyBytes(url: string, sha256: string): Promise<string> {
  const response = await fetch(url)
  const bytes = new Uint8Array(await response.arrayBuffer())
  if (response.status === 404) return 'absent'
  if (response.status !== 200) return `status ${response.status}`
  return sha256Of(bytes) === sha256 ? 'whole' : `other bytes: ${bytes.byteLength} of them`
}

async function json(url: string): Promise<unknown> {
  const response = await fetch(url, {
    headers: { Accept: 'application/vnd.pypi.simple.v1+json, application/json;q=0.9' },
  })
  const text = await response.text()
  return response.status === 200 ? JSON.parse(text) : {}
}

async function put(url: string, body: Buffer, contentType = 'application/octet-stream'): Promise<number> {
  const response = await fetch(url, {
    method: 'PUT',
    headers: { 'Content-Type': contentType },
    body: Uint8Array.from(body),
  })
  await response.arrayBuffer()
  return response.status
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function randomPool(seed: number): Buffer {
  const key = createHash('md5').update(String(seed)).digest()
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(16 * 1024 * 1024))
}
