import { unscoped } from './package-name.ts'

/** Where the versions of a package that were saved are listed: its packument, cut down to them. */
export function savedMetadataPath(name: string): string {
  return `${name}/metadata.json`
}

/** Where a tarball is saved. The file's name has the scope too, as a-h/depot writes it: `@s/p/@s/p-1.0.0.tgz`. */
export function savedTarballPath(name: string, version: string): string {
  return `${name}/${name}-${version}.tgz`
}

/** Where the registry's answer about the provenance of a version is saved, byte for byte: `@s/p/p-1.0.0.attestations.json`. */
export function savedAttestationsPath(name: string, version: string): string {
  return `${name}/${unscoped(name)}-${version}.attestations.json`
}

/** Where the registry's public keys are saved. No package has this name. */
export const SAVED_KEYS_PATH = '-/keys.json'
