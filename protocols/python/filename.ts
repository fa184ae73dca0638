import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { normalizeProjectName } from './project-name.ts'
import { parseVersion, type Version } from './version.ts'

/** What the name of a distribution file says about it. */
export interface Distribution {
  readonly kind: 'wheel' | 'sdist'
  readonly filename: string
  /** Normalised project name. */
  readonly project: string
  readonly version: Version
  /** The container: wheels are zip files. */
  readonly archive: 'zip' | 'tar.gz'
  /** Wheels only: the build tag in its two parts. */
  readonly build?: readonly [number: bigint, rest: string]
  /** Wheels only: each `python-abi-platform` that the compressed tags stand for. */
  readonly tags?: readonly string[]
}

const SDIST_SUFFIXES = [
  ['.tar.gz', 'tar.gz'],
  ['.zip', 'zip'],
] as const

/**
 * Parse a wheel's or sdist's file name (packaging.python.org, "Binary distribution format" and "Source distribution format").
 *
 * @throws DepotError `INVALID_NAME`
 */
export function parseDistribution(filename: string): Distribution {
  if (filename.length > LIMITS.pythonFileNameLengthMax) throw invalid('is longer than file systems allow')
  if (filename.endsWith('.whl')) return parseWheel(filename)
  for (const [suffix, archive] of SDIST_SUFFIXES) {
    if (filename.endsWith(suffix)) return parseSdist(filename, filename.slice(0, -suffix.length), archive)
  }
  throw invalid('must end in .whl, .tar.gz or .zip')
}

/** As `parseDistribution`; undefined for what is no distribution's name. */
export function findDistribution(filename: string): Distribution | undefined {
  try {
    return parseDistribution(filename)
  } catch {
    return undefined
  }
}

const WHEEL_NAME = /^[\p{L}\p{N}_.]+$/u
const BUILD = /^(?<number>\d+)(?<rest>[a-z0-9_.]*)$/i
const TAG_SET = /^[a-z0-9_]+(?:\.[a-z0-9_]+)*$/i

function parseWheel(filename: string): Distribution {
  const parts = filename.slice(0, -'.whl'.length).split('-')
  if (parts.length !== 5 && parts.length !== 6) {
    throw invalid('must be name-version[-build]-python-abi-platform.whl')
  }
  const [name = '', version = ''] = parts
  const tagSets = parts.slice(-3)
  if (!WHEEL_NAME.test(name) || name.includes('__')) throw invalid('has a malformed project name')
  if (!tagSets.every((tags) => TAG_SET.test(tags))) throw invalid('has malformed compatibility tags')
  const build = parts.length === 6 ? parseBuild(parts[2] ?? '') : undefined
  return {
    kind: 'wheel',
    filename,
    project: normalizeProjectName(name),
    version: versionIn(version),
    archive: 'zip',
    ...(build === undefined ? {} : { build }),
    // Made when somebody looks: a name of 255 characters stands for some thousand, and most askers want none.
    get tags() {
      return tagProduct(tagSets)
    },
  }
}

function parseBuild(tag: string): readonly [bigint, string] {
  const groups = BUILD.exec(tag)?.groups
  if (groups === undefined) throw invalid('has a build tag that does not start with a digit')
  return [BigInt(groups['number'] ?? 0), groups['rest'] ?? '']
}

function tagProduct(tagSets: readonly string[]): readonly string[] {
  const [pythons = [], abis = [], platforms = []] = tagSets.map((tags) => tags.toLowerCase().split('.'))
  return pythons.flatMap((python) => abis.flatMap((abi) => platforms.map((platform) => `${python}-${abi}-${platform}`)))
}

const SDIST_NAME = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i

function parseSdist(filename: string, stem: string, archive: 'zip' | 'tar.gz'): Distribution {
  const dash = stem.lastIndexOf('-')
  const name = stem.slice(0, Math.max(dash, 0))
  if (!SDIST_NAME.test(name)) throw invalid(`must be name-version.${archive}`)
  return {
    kind: 'sdist',
    filename,
    project: normalizeProjectName(name),
    version: versionIn(stem.slice(dash + 1)),
    archive,
  }
}

/** Surrounding blanks, which `parseVersion` takes off, have no place in a file name. */
function versionIn(spelling: string): Version {
  const version = /\s/.test(spelling) ? undefined : parseVersion(spelling)
  if (version === undefined) throw invalid('has no version as PEP 440 defines it')
  return version
}

/** The name itself is not repeated: it may hold anything, and messages end up in terminals. */
function invalid(reason: string): DepotError {
  return new DepotError('INVALID_NAME', `the file name ${reason}`)
}
