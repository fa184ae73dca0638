import type { Form } from './accept.ts'
import type { PackageRecord, VersionRecord } from './records.ts'
import { tarballPath } from './tarball-name.ts'
import type { Signature } from './signing.ts'
import { highestVersion } from './version.ts'

export interface PackumentSource {
  readonly name: string
  readonly record: PackageRecord
  readonly versions: ReadonlyMap<string, VersionRecord>
  /** Absolute URL of the registry, without a trailing slash: tarballs' addresses are made from it. */
  readonly origin: string
  /** Changes with every write of the package; opaque to clients. */
  readonly revision: string
}

/** The packument in one of its forms, as JSON text. A projection: what publishers sent is neither checked nor shaped here. */
export function renderPackument(form: Form, source: PackumentSource): string {
  return JSON.stringify(form === 'full' ? full(source) : abbreviated(source))
}

function full({ name, record, versions, origin, revision }: PackumentSource): object {
  return {
    _id: name,
    _rev: revision,
    name,
    'dist-tags': tagsOf(record),
    // The package's readme stands at the top; one for each of a thousand versions would be most of the document.
    versions: mapVersions(versions, (version) => withoutReadme(servedManifest(version, origin))),
    time: { created: record.created, modified: record.modified, ...record.times },
    ...describe(record, versions),
    ...said(record),
  }
}

/** What the packument says of the package as a whole: its latest version's words, and what came with its publish. */
function describe(record: PackageRecord, versions: ReadonlyMap<string, VersionRecord>): object {
  const latest = versions.get(tagsOf(record)['latest'] ?? '')?.manifest
  return { ...(latest === undefined ? {} : pick(latest, DESCRIPTIVE_FIELDS)), ...record.fields }
}

/** What was said of the package by itself, with no version. */
function said({ maintainers, stars = [] }: PackageRecord): object {
  return {
    ...(maintainers === undefined ? {} : { maintainers }),
    ...(stars.length === 0 ? {} : { users: Object.fromEntries(stars.map((name) => [name, true])) }),
  }
}

const DESCRIPTIVE_FIELDS = [
  'description',
  'maintainers',
  'author',
  'contributors',
  'homepage',
  'repository',
  'bugs',
  'license',
  'keywords',
  'readme',
  'readmeFilename',
]

/** npm's `application/vnd.npm.install-v1+json`, with `time` as well: it spares clients with a cooldown a second request. */
function abbreviated({ name, record, versions, origin }: PackumentSource): object {
  return {
    name,
    modified: record.modified,
    'dist-tags': tagsOf(record),
    versions: mapVersions(versions, (version) => project(servedManifest(version, origin))),
    time: { created: record.created, modified: record.modified, ...record.times },
  }
}

/** The tags, with a `latest` where nobody set one: versions that were brought in without their tags. */
export function tagsOf({ tags, times }: PackageRecord): Readonly<Record<string, string>> {
  if (Object.hasOwn(tags, 'latest')) return tags
  const latest = highestVersion(Object.keys(times))
  return latest === undefined ? tags : { latest, ...tags }
}

/** One version's manifest with our signatures, and with the addresses that its tarball and its attestations have here. */
export function servedManifest(record: VersionRecord, origin: string): VersionRecord['manifest'] {
  const { manifest, signatures } = record
  const { name, version, dist } = manifest
  const attestations = dist['attestations']
  return {
    ...manifest,
    _id: `${name}@${version}`,
    dist: {
      ...dist,
      tarball: `${origin}/${tarballPath(name, version)}`,
      ...(signatures === undefined ? {} : { signatures: withOwn(dist['signatures'], signatures) }),
      ...(typeof attestations === 'object' && attestations !== null
        ? { attestations: { ...attestations, url: `${origin}/${attestationsPath(name, version)}` } }
        : {}),
    },
  }
}

/** The signatures that came with a version as they came, and ours behind them. One by our key that came along may be of anything. */
function withOwn(theirs: unknown, own: readonly Signature[]): readonly unknown[] {
  const ids = new Set(own.map(({ keyid }) => keyid))
  const isOwn = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && 'keyid' in value && ids.has(String(value.keyid))
  return [...(Array.isArray(theirs) ? theirs.filter((value) => !isOwn(value)) : []), ...own]
}

/** Clients take the path alone and ask it of their registry's host, so it has to begin with our mount (pacote). */
function attestationsPath(name: string, version: string): string {
  return `-/npm/v1/attestations/${name.replace('/', '%2f')}@${version}`
}

/** Fields of a version that installers read, npmjs's list. */
const ABBREVIATED_FIELDS = [
  'name',
  'version',
  'deprecated',
  'dependencies',
  'optionalDependencies',
  'devDependencies',
  'bundleDependencies',
  'peerDependencies',
  'peerDependenciesMeta',
  'bin',
  'directories',
  'dist',
  'engines',
  'cpu',
  'os',
  'libc',
  'funding',
  'hasInstallScript',
  'acceptDependencies',
  '_hasShrinkwrap',
]

function project(manifest: Readonly<Record<string, unknown>>): object {
  const kept = pick(manifest, ABBREVIATED_FIELDS)
  // Both spellings are in use; installers read this one.
  if (kept['bundleDependencies'] === undefined && Object.hasOwn(manifest, 'bundledDependencies')) {
    kept['bundleDependencies'] = manifest['bundledDependencies']
  }
  return kept
}

function pick(manifest: Readonly<Record<string, unknown>>, fields: readonly string[]): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  for (const field of fields) if (Object.hasOwn(manifest, field)) kept[field] = manifest[field]
  return kept
}

function withoutReadme({ readme: _readme, ...manifest }: Readonly<Record<string, unknown>>): object {
  return manifest
}

function mapVersions(
  versions: ReadonlyMap<string, VersionRecord>,
  render: (version: VersionRecord) => object,
): Record<string, object> {
  const rendered: Record<string, object> = {}
  for (const [version, record] of versions) rendered[version] = render(record)
  return rendered
}
