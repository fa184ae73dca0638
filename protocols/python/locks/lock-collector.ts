import type { Hashes } from '../../../src/client/saved-files.ts'
import { findDistribution, type Distribution } from '../filename.ts'
import { isProjectName, normalizeProjectName } from '../project-name.ts'
import { parseVersion } from '../version.ts'
import { malformed } from './lock-error.ts'
import { hashesOf, parseHash } from './lock-hash.ts'
import { fromPath, shown } from './other-source.ts'
import type { LockedFile, LockedName, LockedVersion, LockKind, LockOptions, OtherItem, ReadLock } from './lock-types.ts'

/** A file as a lock file describes it. */
export interface DescribedFile {
  /** As it is spelt there. */
  readonly project: string
  readonly version?: string | undefined
  /** Absent: the last segment of its address. */
  readonly filename?: string | undefined
  readonly url: string
  /** `sha256:…` each. */
  readonly hashes: readonly string[]
  readonly sizeBytes?: number | undefined
  readonly uploadTime?: string | undefined
}

/** A pinned version as a lock file describes it. */
export interface DescribedVersion {
  readonly project: string
  readonly version: string
  readonly extras?: readonly string[] | undefined
  /** `sha256:…` each; which file has it is said or not. */
  readonly hashes: readonly (string | { readonly filename: string; readonly hash: string })[]
  readonly marker?: string | undefined
}

/** Gathers what a lock file names, each thing once. */
export interface LockCollector {
  /** @throws DepotError `BAD_REQUEST` as all of these do */
  file(at: string, file: DescribedFile): void
  version(at: string, version: DescribedVersion): void
  requirement(line: string): void
  constraint(line: string): void
  other(item: OtherItem): void
  /** An index that packages come from. */
  index(url: string): void
  finish(options?: Partial<LockOptions>): ReadLock
}

/** @param filename stands in errors */
export function createCollector(kind: LockKind, filename: string): LockCollector {
  const files = new Map<string, LockedFile>()
  const versions = new Map<string, LockedVersion>()
  const [requirements, constraints, indexes] = [new Set<string>(), new Set<string>(), new Set<string>()]
  const others: OtherItem[] = []

  return {
    file(at, described) {
      const where = `${filename}, ${at}`
      const project = projectIn(where, described.project)
      const name = described.filename ?? lastSegment(described.url)
      const distribution = findDistribution(name)
      if (/^file:/i.test(described.url)) {
        others.push(fromPath(project, described.url))
        return
      }
      if (distribution === undefined || distribution.project !== project) {
        others.push(unlike(project, described.url, distribution))
        return
      }
      const { sizeBytes, uploadTime, url } = described
      const file: LockedFile = {
        project,
        version: versionIn(where, described.version) ?? distribution.version.text,
        filename: name,
        hashes: hashesOf(where, described.hashes),
        url,
        ...(sizeBytes === undefined ? {} : { sizeBytes }),
        ...(uploadTime === undefined ? {} : { uploadTime }),
      }
      files.set(`${project}/${name} ${hashKey(file.hashes)}`, file)
    },
    version(at, described) {
      const where = `${filename}, ${at}`
      const version = lockedVersion(where, described)
      const key = `${version.project} ${version.version}`
      const known = versions.get(key)
      versions.set(key, known === undefined ? version : merged(known, version))
    },
    requirement: (line) => void requirements.add(line),
    constraint: (line) => void constraints.add(line),
    other: (item) => void others.push(item),
    index: (url) => void indexes.add(url),
    finish: (options = {}) => ({
      kind,
      files: [...files.values()],
      versions: [...versions.values()],
      requirements: [...requirements],
      constraints: [...constraints],
      options: { ...NO_OPTIONS, ...indexOptions([...indexes]), ...options },
      others,
    }),
  }
}

const NO_OPTIONS: LockOptions = {
  extraIndexUrls: [],
  findLinks: [],
  noIndex: false,
  preReleases: false,
  requireHashes: false,
  noBinary: [],
  onlyBinary: [],
}

/** Of several none is the first. */
function indexOptions([first, ...rest]: readonly string[]): Partial<LockOptions> {
  if (first === undefined) return {}
  return rest.length === 0 ? { indexUrl: first } : { extraIndexUrls: [first, ...rest] }
}

/** A project's name, normalised. @throws DepotError `BAD_REQUEST` */
export function projectIn(where: string, name: string): string {
  if (isProjectName(name)) return normalizeProjectName(name)
  throw malformed(where, `'${name.slice(0, 200)}' is no name of a project`)
}

function versionIn(where: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const version = parseVersion(text)
  if (version !== undefined) return version.text
  throw malformed(where, `'${text.slice(0, 200)}' is no version as PEP 440 defines it`)
}

/** The file name at the end of an address, decoded; '' when there is none. */
export function lastSegment(url: string): string {
  const last =
    url
      .replace(/[?#].*$/s, '')
      .split(/[/\\]/)
      .at(-1) ?? ''
  try {
    return decodeURIComponent(last)
  } catch {
    return last
  }
}

function unlike(name: string, url: string, distribution: Distribution | undefined): OtherItem {
  const address = shown(url)
  const reason =
    distribution === undefined ? 'it is no wheel and no sdist' : `its file name is of ${distribution.project}`
  return { item: `${name} (${address})`, name, address, reason, breaks: distribution !== undefined }
}

function lockedVersion(
  where: string,
  { project, version, extras = [], hashes, marker }: DescribedVersion,
): LockedVersion {
  const named = hashes.flatMap((hash) =>
    typeof hash === 'string' ? [] : [{ filename: hash.filename, hash: parseHash(where, hash.hash) }],
  )
  const all = hashes.map((hash) => parseHash(where, typeof hash === 'string' ? hash : hash.hash))
  return {
    project: projectIn(where, project),
    version: localVersion(named) ?? versionIn(where, version) ?? version,
    extras: extras.map((extra) => projectIn(where, extra)),
    hashes: [...new Set(all)],
    ...(named.length === 0 ? {} : { filenames: named }),
    ...(marker === undefined || marker === '' ? {} : { marker }),
  }
}

/** What the files of a version agree on where they are of a local one: pdm.lock says 2.0 for 2.0+cpu. */
function localVersion(named: readonly LockedName[]): string | undefined {
  const versions = new Set(named.map(({ filename }) => findDistribution(filename)?.version.text))
  const [version] = versions
  return versions.size === 1 && version?.includes('+') === true ? version : undefined
}

/** pdm.lock names a version once without and once with its extras; a resolution that forks names it once for each fork. */
function merged(one: LockedVersion, other: LockedVersion): LockedVersion {
  const { marker, filenames, ...rest } = one
  const names = new Map(
    [...(filenames ?? []), ...(other.filenames ?? [])].map((name) => [`${name.filename} ${name.hash}`, name]),
  )
  return {
    ...rest,
    extras: [...new Set([...one.extras, ...other.extras])],
    hashes: [...new Set([...one.hashes, ...other.hashes])],
    ...(names.size === 0 ? {} : { filenames: [...names.values()] }),
    ...(marker === undefined || marker !== other.marker ? {} : { marker }),
  }
}

function hashKey(hashes: Hashes): string {
  return Object.values(hashes).join(' ')
}
