import { findDistribution, type Distribution } from '../filename.ts'
import { addressIn, hashesIn, type IndexFile, type IndexPage } from './index-page.ts'
import {
  chooseFiles,
  type Choosing,
  isAmong,
  isOfVersion,
  versionKey,
  type KnownFile,
  type PlannedVersion,
  type SdistPolicy,
} from './plan.ts'
import { allowsPython } from './requires-python.ts'
import type { FileToSave } from './save-file.ts'
import type { Wanted } from './wheel-filter.ts'

/** Which files of a version are wanted. */
export interface Choice {
  readonly wanted: Wanted
  readonly sdists: SdistPolicy
}

/** For whom a version is: for those that it was found for, or for all; not for a Python that none of its files, as an index lists them, allows. */
export function choosing(
  { wanted, sdists }: Choice,
  { targets }: PlannedVersion,
  listed: readonly { readonly file: IndexFile }[] = [],
): Choosing {
  if (targets.size > 0) return { targets: [...targets], sdists }
  const pythons = wanted.pythons.filter(
    (python) => listed.length === 0 || listed.some(({ file }) => allowsPython(file.entry['requires-python'], [python])),
  )
  return { targets: [{ ...wanted, pythons }], sdists }
}

/** Why there is nothing to save of a version. */
export function whyNone(
  { wanted }: Choice,
  listed: Listed | undefined,
  { project, version, hashes, files }: PlannedVersion,
): { readonly result: 'failed' | 'left out'; readonly reason: string } {
  if (listed === undefined && files.size === 0) return { result: 'failed', reason: 'no index has this project' }
  const own = [...(listed?.values() ?? [])].filter(({ distribution }) => isOf(distribution, project, version))
  if (own.length + files.size === 0) return { result: 'failed', reason: 'the index has no file of this version' }
  // A list for all systems and Pythons names much that is for others.
  const others = [...own, ...files.values()].some(({ distribution }) => distribution.kind === 'wheel')
  if (others && wanted.pythons.length + wanted.platforms.length > 0)
    return { result: 'left out', reason: 'none of its files is for these Pythons and platforms' }
  const some = hashes.size > 0 ? ', or none with a hash of the lock file' : ''
  return { result: 'failed', reason: `no file of it is wanted${some}: look at --python, --platform and --sdist` }
}

function isOf(distribution: Distribution, project: string, version: string): boolean {
  return distribution.project === project && isOfVersion(distribution, versionKey(version))
}

/** The files of a project's page, by name. */
type Listed = ReadonlyMap<string, { readonly distribution: Distribution; readonly file: IndexFile }>

/** What is no distribution's name is passed over: pages of old projects have many. */
export function parsedFiles(page: IndexPage): Listed {
  return new Map(
    page.files.flatMap((file) => {
      const distribution = findDistribution(file.filename)
      return distribution === undefined ? [] : [[file.filename, { distribution, file }] as const]
    }),
  )
}

type Found = { readonly distribution: Distribution } & Omit<FileToSave, 'file'> & {
    readonly file: IndexFile | undefined
  }

/**
 * What is to be saved of a version: of what its lock lists, or of what the index does. A file that has no address is one that the lock
 * names and nobody has.
 */
export function filesOf(choice: Choice, planned: PlannedVersion, listed: Listed = new Map()): readonly Found[] {
  const { project, version } = planned
  if (planned.files.size > 0)
    return chooseFiles([...planned.files.values()], choosing(choice, planned)).map((known) => {
      const file = listed.get(known.distribution.filename)?.file ?? fileOfLock(known)
      return { project, distribution: known.distribution, file, locked: known.hashes }
    })
  const own = [...listed.values()].filter(({ distribution }) => isOf(distribution, project, version))
  const allowed = planned.hashes.size === 0 ? own : own.filter(({ file }) => isAmong(file.hashes, planned.hashes))
  const siblings = new Map(own.map(({ file }) => [file.filename, file.hashes]))
  const usable = allowed.filter(({ file }) => allowsPython(file.entry['requires-python'], choice.wanted.pythons))
  // One list for a version is enough.
  return chooseFiles(usable, choosing(choice, planned, usable)).map(({ distribution, file }, at) => ({
    project,
    distribution,
    file,
    locked: {},
    ...(at === 0 ? { siblings } : {}),
  }))
}

/** A file that the index does not list, or not any more, but the lock does with its address. */
function fileOfLock({ distribution, hashes, url, sizeBytes, uploadTime }: KnownFile): IndexFile | undefined {
  const address = url === undefined ? undefined : URL.parse(url)
  const at = address === null || address === undefined ? undefined : addressIn(address.href, address)
  if (at === undefined) return undefined
  const promised = Object.keys(hashes).length > 0 ? hashes : hashesIn(at.hash.slice(1))
  at.hash = ''
  const { filename } = distribution
  const entry = {
    filename,
    url: at.href,
    hashes: promised,
    ...(sizeBytes === undefined ? {} : { size: sizeBytes }),
    ...(uploadTime === undefined ? {} : { 'upload-time': uploadTime }),
  }
  return { filename, url: at, hashes: promised, ...(sizeBytes === undefined ? {} : { sizeBytes }), entry }
}
