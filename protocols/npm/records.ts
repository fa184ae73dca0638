import { z } from 'zod'

/** All of npm's kinds start so, which is how a blob is known to belong to this ecosystem. */
export const KIND_PREFIX = 'npm-'

/** Kinds of records that npm keeps. */
export const KIND = {
  /** Key: the name. Tags, times and what describes the package as a whole. */
  package: 'npm-package',
  /** Key: `name@version`. The manifest, and the digest of its tarball, which it refers to; or the tombstone of a deleted one. */
  version: 'npm-version',
  /** Key: `name@version`. A tarball that was uploaded alone and waits for its manifest; nobody can read it yet. */
  tarball: 'npm-tarball',
  /**
   * Key: `name@version`. How the version was made: the sigstore bundle that `npm publish --provenance` sent along, as one string; or the
   * digest of what another registry answers about it, which the record refers to, and that of the tarball which it is about. Another
   * tarball may have come since.
   */
  attestation: 'npm-attestation',
  /** Key: a key's id. A public key of another registry, as that tells of it. */
  registryKey: 'npm-registry-key',
  /** In the system cache, key: the name of a cache. The id of the key that has signed all versions there. */
  signed: 'npm-signed',
} as const

/** The package as a whole. Which versions there are is what `times` says, in the order of their arrival; none when all were deleted. */
export type PackageRecord = z.infer<typeof packageSchema>

/** Names and texts, looked at by hand: a schema for each of some thousand members costs every publish thirty milliseconds. */
const texts = z.custom<Readonly<Record<string, string>>>(
  (value) =>
    typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string'),
)

const packageSchema = z.object({
  tags: texts,
  created: z.string(),
  modified: z.string(),
  times: texts,
  /** Top-level fields of the packument that came with the publish of `latest`, beside what its manifest says. */
  fields: z.record(z.string(), z.unknown()),
  /** By version: why it should not be used any more. It stands before what the manifest says; empty text takes that back. */
  deprecated: texts.optional(),
  /** Whom the package names as its owners, once it was said by itself and not by a manifest. */
  maintainers: z.array(z.object({ name: z.string(), email: z.string().optional() })).optional(),
  /** Names of those who starred it. */
  stars: z.array(z.string()).optional(),
  /** What another registry said last: where its tags pointed, and when the package had changed there. */
  brought: z.object({ tags: texts, modified: z.string().optional() }).optional(),
  /** Characters of the manifests of all its versions, as far as they came since that is counted. */
  manifestsLength: z.number().optional(),
})

/** A version that can be read. */
export type VersionRecord = z.infer<typeof versionSchema>

const versionSchema = z.object({
  /** sha256 of the tarball. */
  digest: z.string(),
  manifest: z.looseObject({ name: z.string(), version: z.string(), dist: z.looseObject({}) }),
  /** Our own, beside those that the manifest brought along. */
  signatures: z.array(z.object({ keyid: z.string(), sig: z.string() })).optional(),
})

/** What is left of a deleted version: its name stays taken for ever, and no blob is held by it. */
export type Tombstone = z.infer<typeof tombstoneSchema>

const tombstoneSchema = z.object({
  /** When, ISO 8601. */
  deleted: z.string(),
  /** sha256 of what the tarball was. */
  digest: z.string(),
})

export type TarballRecord = z.infer<typeof tarballSchema>

const tarballSchema = z.object({
  digest: z.string(),
  sha1: z.string(),
  sha512: z.string(),
  hasInstallScript: z.boolean(),
})

export function readPackage(value: string): PackageRecord {
  return packageSchema.parse(JSON.parse(value))
}

export function readVersion(value: string): VersionRecord | Tombstone {
  const record = JSON.parse(value) as object
  return Object.hasOwn(record, 'deleted') ? tombstoneSchema.parse(record) : versionSchema.parse(record)
}

/**
 * The digest of a version's tarball, undefined for a deleted one: what `readVersion` says of it, without a look at the manifest behind it,
 * which may be long.
 */
export function tarballDigest(value: string): string | undefined {
  const found = DIGEST_FIRST.exec(value)?.groups?.['digest']
  if (found !== undefined) return found
  const record = readVersion(value)
  return isTombstone(record) ? undefined : record.digest
}

/** How the records of versions begin. */
const DIGEST_FIRST = /^\{"digest":"(?<digest>[0-9a-f]{64})","manifest":/

export function isTombstone(record: VersionRecord | Tombstone): record is Tombstone {
  return 'deleted' in record
}

export function readTarball(value: string): TarballRecord {
  return tarballSchema.parse(JSON.parse(value))
}

/** A bundle that came with a publish, or an answer that was brought in. */
export type AttestationRecord = z.infer<typeof attestationSchema>

const attestationSchema = z.union([
  z.string().transform((bundle) => ({ bundle })),
  z.object({ digest: z.string(), tarball: z.string() }),
])

/** What is said of how a version was made; undefined when it is said of another tarball. */
export function readAttestation(value: string, { digest }: { readonly digest: string }): AttestationRecord | undefined {
  const record = attestationSchema.parse(JSON.parse(value))
  return 'bundle' in record || record.tarball === digest ? record : undefined
}

/** Characters that a manifest has in storage: what `manifestsLength` adds up. */
export function lengthOf(manifest: object): number {
  return JSON.stringify(manifest).length
}

/** Key of what belongs to one version. A name has no `@` but its first character, so keys never run into each other. */
export function versionKey(name: string, version: string): string {
  return `${name}@${version}`
}
