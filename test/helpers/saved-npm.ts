import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { generateSigningKey, parseSigningKey, type SigningKey } from '../../protocols/npm/signing.ts'
import { distOf, PREDICATE_TYPE, provenanceOf, tarballOf, type PackageJson, type TarEntry } from './npm-fixtures.ts'

/** A package as `depot npm save` writes it. */
export interface SavedFixture {
  readonly name: string
  readonly versions: readonly string[]
  /** What stands in the manifests, and in the package.json of the tarballs. */
  readonly manifest?: Readonly<Record<string, unknown>>
  /** Members of metadata.json instead. */
  readonly document?: Readonly<Record<string, unknown>>
  /** Signs the versions, as a registry does. */
  readonly signer?: SigningKey
  /** There is provenance of them. */
  readonly attested?: boolean
  readonly files?: readonly TarEntry[]
}

const PUBLISH_TYPE = 'https://github.com/npm/attestation/tree/main/specs/publish/v0.1'

/** Put a package into a folder that was saved; versions that are there stay. Returns its folder. */
export async function saveFixture(root: string, saved: SavedFixture): Promise<string> {
  const { name, versions, manifest = {}, document = {}, signer, attested = false, files } = saved
  const folder = path.join(root, name)
  const known: Record<string, Record<string, unknown>> = {}
  const time: Record<string, string> = { created: day(0), modified: day(versions.length) }
  for (const [index, version] of versions.entries()) {
    const own: PackageJson = { name, version, main: 'index.js', ...manifest }
    const at = path.join(folder, `${name}-${version}.tgz`)
    await mkdir(path.dirname(at), { recursive: true })
    const tarball = (await readFile(at).catch(() => undefined)) ?? (await tarballOf(own, files))
    await writeFile(at, tarball)
    const { integrity, shasum } = distOf(tarball)
    const signatures = signer === undefined ? {} : { signatures: [await signer.sign(name, version, integrity)] }
    const attestations = attested ? { attestations: attestationsClaim(name, version) } : {}
    const dist = { integrity, shasum, tarball: tarballUrl(name, version), ...signatures, ...attestations }
    known[version] = { ...own, _id: `${name}@${version}`, dist }
    time[version] = day(index + 1)
    if (attested) await writeFile(attestationsFile(root, name, version), attestationsOf(own, tarball))
  }
  const tags = { latest: versions.at(-1) }
  const whole = {
    _id: name,
    name,
    'dist-tags': tags,
    versions: known,
    time,
    readme: `# ${name}`,
    _depot: {},
    ...document,
  }
  await writeFile(path.join(folder, 'metadata.json'), JSON.stringify(whole))
  return folder
}

export function attestationsFile(root: string, name: string, version: string): string {
  return path.join(root, name, `${name.split('/').at(-1)}-${version}.attestations.json`)
}

/** What a registry answers about a version: what its author says, and what the registry says. Its spelling is its own. */
export function attestationsOf(own: PackageJson, tarball: Uint8Array, subject?: object): string {
  const made = JSON.parse(provenanceOf(own, tarball, subject)) as { dsseEnvelope: { payload: string } }
  const statement = JSON.parse(Buffer.from(made.dsseEnvelope.payload, 'base64').toString()) as object
  const payload = Buffer.from(JSON.stringify({ ...statement, predicateType: PUBLISH_TYPE })).toString('base64')
  const published = { ...made, dsseEnvelope: { ...made.dsseEnvelope, payload } }
  const attestations = [
    { predicateType: PUBLISH_TYPE, bundle: published },
    { predicateType: PREDICATE_TYPE, bundle: made },
  ]
  return `${JSON.stringify({ attestations }, undefined, 1)}\n`
}

function attestationsClaim(name: string, version: string): object {
  const url = `https://registry.npmjs.org/-/npm/v1/attestations/${name.replace('/', '%2f')}@${version}`
  return { url, provenance: { predicateType: PREDICATE_TYPE } }
}

function tarballUrl(name: string, version: string): string {
  return `https://registry.npmjs.org/${name}/-/${name.split('/').at(-1)}-${version}.tgz`
}

function day(index: number): string {
  return new Date(Date.UTC(2020, 0, index + 1)).toISOString()
}

/** A registry's signing key, and the answer of its `/-/npm/v1/keys` in the folder. */
export async function saveKeys(root: string, expires: string | null = null): Promise<SigningKey> {
  const signer = parseSigningKey(generateSigningKey())
  await mkdir(path.join(root, '-'), { recursive: true })
  await writeFile(path.join(root, '-', 'keys.json'), JSON.stringify({ keys: [{ ...signer.entry, expires }] }))
  return signer
}
