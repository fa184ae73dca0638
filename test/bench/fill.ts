import { createHash, randomBytes } from 'node:crypto'
import process from 'node:process'

import { openStorage } from '../../storage/open.ts'
import { buildWheel, tarGz } from '../helpers/wheel.ts'
import { sha256Nix32 } from '../helpers/nar.ts'
import { fileArchive, narinfo } from './nar.ts'

/** One request that must succeed. */
export async function send(
  url: string,
  method: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<void> {
  const answer = await fetch(url, { method, body, headers })
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`)
  await answer.arrayBuffer()
}

export interface StoredPath {
  readonly narinfoPath: string
  readonly narPath: string
}

/** Put a store path of one random file into a depot; returns where it is then served. */
export async function fillNix(url: string, storeHash: string, sizeBytes: number): Promise<StoredPath> {
  const { head, tail } = fileArchive(sizeBytes)
  const archive = Buffer.concat([head, randomBytes(sizeBytes), tail])
  const narHash = sha256Nix32(archive)
  await send(`${url}/nix/nar/${narHash}.nar`, 'PUT', Uint8Array.from(archive))
  const fields = { storeHash, url: `nar/${narHash}.nar`, compression: 'none', narHash, narSize: archive.byteLength }
  await send(`${url}/nix/${storeHash}.narinfo`, 'PUT', narinfo(fields))
  return { narinfoPath: `/nix/${storeHash}.narinfo`, narPath: `/nix/nar/${narHash}.nar.zst` }
}

/** Publish a package with as many versions, as `npm publish` does. */
export async function fillNpm(url: string, name: string, versions: number): Promise<string> {
  for (let patch = 0; patch < versions; patch++) {
    const version = `1.0.${patch}`
    const manifest = {
      name,
      version,
      description: 'a package',
      dependencies: { ms: '^2.0.0' },
      engines: { node: '>=18' },
    }
    const tarball = tarGz([{ name: 'package/package.json', content: JSON.stringify(manifest) }])
    const body = publishBody(manifest, tarball)
    await send(`${url}/npm/${name}`, 'PUT', body, { 'content-type': 'application/json' })
  }
  return `/npm/${name}`
}

/** The body of `npm publish` for a tarball with that manifest inside. */
export function publishBody(manifest: { readonly name: string; readonly version: string }, tarball: Buffer): string {
  const { name, version } = manifest
  const file = `${name}-${version}.tgz`
  const dist = {
    shasum: createHash('sha1').update(tarball).digest('hex'),
    integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
    tarball: `http://localhost/${name}/-/${file}`,
  }
  const attachment = {
    content_type: 'application/octet-stream',
    data: tarball.toString('base64'),
    length: tarball.length,
  }
  return JSON.stringify({
    _id: name,
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { ...manifest, dist } },
    _attachments: { [file]: attachment },
  })
}

/** Upload wheels of one project, a version each. */
export async function fillPython(url: string, name: string, versions: number): Promise<string> {
  for (let minor = 0; minor < versions; minor++) {
    const { filename, bytes } = buildWheel({ name, version: `1.${minor}` })
    await send(`${url}/python/${name}/${filename}`, 'PUT', Uint8Array.from(bytes))
  }
  return `/python/simple/${name}/`
}

/** 120,000 records of other names, straight into the database of a stopped depot. */
export async function fillRecords(dataDir: string, count: number): Promise<void> {
  const { kv, blobs } = await openStorage({
    storePath: dataDir,
    databaseUrl: `sqlite://${dataDir}/depot.db`,
    storageType: 'fs',
  })
  const kinds = ['npm-version', 'python-file', 'nix-path']
  for (let start = 0; start < count; start += 2000) {
    const puts = Array.from({ length: 2000 }, (_, index) => ({
      kind: kinds[(start + index) % kinds.length] ?? '',
      key: `other-${String(start + index).padStart(7, '0')}`,
      value: JSON.stringify({ filler: 'x'.repeat(300) }),
    }))
    await kv.commit({ cache: 1, puts })
  }
  await kv[Symbol.asyncDispose]()
  await blobs[Symbol.asyncDispose]()
  process.stderr.write(`${count} records filled in\n`)
}
