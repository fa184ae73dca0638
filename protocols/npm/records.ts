import { z } from 'zod'

/** All of npm's kinds start so, which is how a blob is known to belong to this ecosystem. */
export const KIND_PREFIX = 'npm-'

/** Kinds of records that npm keeps. */
export const KIND = {
  /** Key: the name. Tags, times and what describes the package as a whole. */
  package: 'npm-package',
  /** Key: `name@version`. The manifest, and the digest of its tarball, which it refers to. */
  version: 'npm-version',
  /** Key: `name@version`. A tarball that was uploaded alone and waits for its manifest; nobody can read it yet. */
  tarball: 'npm-tarball',
  /** Key: `name@version`. The sigstore bundle that `npm publish --provenance` sent along, as one string. */
  attestation: 'npm-attestation',
} as const

/** The package as a whole. Which versions there are is what `times` says, in the order of their arrival. */
export type PackageRecord = z.infer<typeof packageSchema>

const packageSchema = z.object({
  tags: z.record(z.string(), z.string()),
  created: z.string(),
  modified: z.string(),
  times: z.record(z.string(), z.string()),
  /** Top-level fields of the packument that came with the publish of `latest`, beside what its manifest says. */
  fields: z.record(z.string(), z.unknown()),
})

export type VersionRecord = z.infer<typeof versionSchema>

const versionSchema = z.object({
  /** sha256 of the tarball. */
  digest: z.string(),
  manifest: z.looseObject({ name: z.string(), version: z.string(), dist: z.looseObject({}) }),
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

export function readVersion(value: string): VersionRecord {
  return versionSchema.parse(JSON.parse(value))
}

export function readTarball(value: string): TarballRecord {
  return tarballSchema.parse(JSON.parse(value))
}

/** Key of what belongs to one version. A name has no `@` but its first character, so keys never run into each other. */
export function versionKey(name: string, version: string): string {
  return `${name}@${version}`
}
