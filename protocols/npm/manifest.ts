import { z } from 'zod'

import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { integrityOf, type TarballHashes } from './integrity.ts'
import { isPolluting, parsePackageName } from './package-name.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { parseVersion } from './version.ts'

/**
 * One version's manifest: package.json as its publisher sent it. Only what this registry relies on is typed; all other
 * fields, known or not, odd or not, pass through untouched.
 */
export type Manifest = z.infer<typeof manifestSchema>

const manifestSchema = z.looseObject({
  name: z.string(),
  version: z.string(),
  dist: z
    .looseObject({
      shasum: z.string().max(LIMITS.npmShasumLengthMax).optional(),
      integrity: z.string().max(LIMITS.npmIntegrityLengthMax).optional(),
    })
    .optional(),
})

/**
 * A manifest that somebody publishes.
 *
 * @throws DepotError `BAD_REQUEST` or `INVALID_NAME` with the field
 */
export function parseManifest(value: unknown): Manifest {
  const manifest = parseAs(manifestSchema, value, 'the manifest')
  if (parsePackageName(manifest.name) === undefined)
    throw new DepotError('INVALID_NAME', 'the manifest has no valid name')
  if (parseVersion(manifest.version) === undefined) {
    const hint = 'a version is like 1.2.3 or 1.2.3-beta.1, without a leading v and without +build'
    throw new DepotError('INVALID_NAME', `the manifest's version is not one: ${hint}`)
  }
  for (const field of DEPENDENCY_FIELDS) refusePolluting(manifest[field], field)
  return manifest
}

/** What this registry found out itself about the tarball of a manifest. */
export interface TarballFacts {
  readonly hashes: TarballHashes
  /** The package.json inside has a script that runs at installation. */
  readonly hasInstallScript: boolean
}

/**
 * The manifest as it is kept: with the hashes of the bytes that arrived, without the address that the publisher thought
 * they would have (each answer has its own), and marked when it runs a script at installation, which installers ask of
 * the abbreviated form.
 */
export function keptManifest(manifest: Manifest, { hashes, hasInstallScript }: TarballFacts): Manifest {
  const { tarball: _theirs, ...dist } = manifest.dist ?? {}
  const runs = hasInstallScript || runsAtInstall(manifest['scripts'])
  return {
    ...manifest,
    // Whatever the manifest claims: who trusts a `false` would not look into the tarball.
    ...(runs ? { hasInstallScript: true } : {}),
    dist: { ...dist, shasum: hashes.sha1, integrity: integrityOf(hashes) },
  }
}

/** True when npm would run one of these scripts while it installs the package. */
export function runsAtInstall(scripts: unknown): boolean {
  if (typeof scripts !== 'object' || scripts === null) return false
  return INSTALL_SCRIPTS.some(
    (name) => Object.hasOwn(scripts, name) && Boolean((scripts as Record<string, unknown>)[name]),
  )
}

const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall']

const DEPENDENCY_FIELDS = [
  'dependencies',
  'optionalDependencies',
  'devDependencies',
  'peerDependencies',
  'peerDependenciesMeta',
]

function refusePolluting(value: unknown, field: string): void {
  if (typeof value !== 'object' || value === null) return
  const key = Object.keys(value).find(isPolluting)
  if (key !== undefined)
    throw new DepotError('INVALID_NAME', `${field} of the manifest names ${key}, which is no package`)
}
