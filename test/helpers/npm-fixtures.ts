import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'

import { pack } from 'tar-stream'

/** One entry of a tarball; what is not said is an ordinary file. */
export interface TarEntry {
  readonly name: string
  readonly content?: string | Uint8Array
  readonly type?: 'file' | 'symlink' | 'link' | 'directory' | 'character-device' | 'fifo'
  readonly linkname?: string
  readonly pax?: Readonly<Record<string, string>>
}

/** A tar file, not compressed. */
export async function tarOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const tar = pack()
  for (const { name, content = '', type = 'file', linkname, pax } of entries) {
    const header = {
      name,
      type,
      ...(linkname === undefined ? {} : { linkname }),
      ...(pax === undefined ? {} : { pax }),
    }
    if (type === 'file') tar.entry(header, Buffer.from(content as string))
    else tar.entry(header).end(undefined)
  }
  tar.finalize()
  const pieces: Uint8Array[] = []
  for await (const piece of tar) pieces.push(piece as Uint8Array)
  return Buffer.concat(pieces)
}

export interface PackageJson {
  readonly name: string
  readonly version: string
  readonly [field: string]: unknown
}

/** What `npm pack` makes of a package with an index.js. */
export async function tarballOf(packageJson: PackageJson, more: readonly TarEntry[] = []): Promise<Buffer> {
  const own = { name: 'package/package.json', content: JSON.stringify(packageJson) }
  return gzipSync(await tarOf([own, { name: 'package/index.js', content: 'module.exports = 1\n' }, ...more]))
}

/** `dist` as npm computes it. */
export function distOf(tarball: Uint8Array): { shasum: string; integrity: string } {
  const sha512 = createHash('sha512').update(tarball).digest('base64')
  return { shasum: createHash('sha1').update(tarball).digest('hex'), integrity: `sha512-${sha512}` }
}

export interface PublishOptions {
  readonly tag?: string
  /** Fields that stand in the manifest only. */
  readonly manifest?: Readonly<Record<string, unknown>>
  readonly dist?: Readonly<Record<string, unknown>>
}

export interface PublishDocument extends Record<string, unknown> {
  _attachments: Record<string, { data: string; length: number; content_type: string }>
}

/** The body of `npm publish`. */
export function publishOf(
  packageJson: PackageJson,
  tarball: Uint8Array,
  options: PublishOptions = {},
): PublishDocument {
  const { name, version } = packageJson
  const file = `${name}-${version}.tgz`
  const dist = { ...distOf(tarball), tarball: `http://localhost:1/${name}/-/${file}`, ...options.dist }
  return {
    _id: name,
    name,
    'dist-tags': { [options.tag ?? 'latest']: version },
    versions: { [version]: { ...packageJson, ...options.manifest, _id: `${name}@${version}`, dist } },
    access: null,
    _attachments: {
      [file]: {
        content_type: 'application/octet-stream',
        data: Buffer.from(tarball).toString('base64'),
        length: tarball.byteLength,
      },
    },
  }
}

export const PREDICATE_TYPE = 'https://slsa.dev/provenance/v1'

/** A sigstore bundle as `npm publish --provenance` attaches it, signed by nobody. The last argument replaces its subject. */
export function provenanceOf({ name, version }: PackageJson, tarball: Uint8Array, subject?: object): string {
  const sha512 = createHash('sha512').update(tarball).digest('hex')
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: `pkg:npm/${name.replace('@', '%40')}@${version}`, digest: { sha512 }, ...subject }],
    predicateType: PREDICATE_TYPE,
    predicate: { runDetails: { builder: { id: 'https://ci.example/builder' } } },
  }
  return JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { tlogEntries: [] },
    dsseEnvelope: {
      payload: Buffer.from(JSON.stringify(statement)).toString('base64'),
      payloadType: 'application/vnd.in-toto+json',
      signatures: [{ sig: 'bm9ib2R5', keyid: '' }],
    },
  })
}

/** A publish with its provenance. */
export function withProvenance(packageJson: PackageJson, tarball: Uint8Array, subject?: object): PublishDocument {
  const document = publishOf(packageJson, tarball)
  const data = provenanceOf(packageJson, tarball, subject)
  const attachment = { data, length: data.length, content_type: 'application/vnd.dev.sigstore.bundle.v0.3+json' }
  const file = `${packageJson.name}-${packageJson.version}.sigstore`
  return { ...document, _attachments: { ...document._attachments, [file]: attachment } }
}
