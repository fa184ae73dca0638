import { LIMITS } from '../../src/limits.ts'
import { unscoped } from './package-name.ts'
import { parseVersion } from './version.ts'

/**
 * The version that a tarball's file name says, for a package whose name is known: `<unscoped>-<version>.tgz` as npmjs
 * spells it, or with the scope in front (`@s/p-1.0.0.tgz`) as `npm publish` keys its attachment and a-h/depot its URLs.
 */
export function tarballVersion(name: string, file: string): string | undefined {
  const head = file.startsWith('@') ? name : unscoped(name)
  if (!file.startsWith(`${head}-`) || !file.endsWith(SUFFIX)) return undefined
  return parseVersion(file.slice(head.length + 1, -SUFFIX.length))
}

/** Path of a tarball relative to the registry, exactly npmjs's: lockfiles carry it from registry to registry. */
export function tarballPath(name: string, version: string): string {
  return `${name}/-/${unscoped(name)}-${version}${SUFFIX}`
}

/** A URL segment that can be a tarball's file name. Whether it is this package's, `tarballVersion` says. */
export function parseTarballFile(segment: string): string | undefined {
  return segment.length <= FILE_LENGTH_MAX && segment.endsWith(SUFFIX) ? segment : undefined
}

const SUFFIX = '.tgz'
/** A scoped name, a hyphen, a version, the suffix. */
const FILE_LENGTH_MAX = LIMITS.npmNameLengthMax + 1 + LIMITS.npmVersionLengthMax + SUFFIX.length
