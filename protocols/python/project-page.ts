import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import type { Cache } from '../../src/kv-store.ts'
import { readFiles, readStatus } from './project.ts'
import { isTombstone, PROJECT_KIND, type PythonFile } from './records.ts'
import type { ListedFile, ProjectPage } from './simple-page.ts'
import { compareVersions, parseVersion, type Version } from './version.ts'

/** Where a page's links lead, relative to the page or absolute; each ends with a slash. */
export interface PageLinks {
  readonly files: string
  readonly integrity: string
}

/** A page, and the version of the project's record that it was made from. */
export interface VersionedPage {
  readonly version: number
  readonly page: ProjectPage
}

/** What is to be said of a project; undefined when it is not here, or all its files are deleted. */
export async function readProjectPage(
  depot: Depot,
  cache: Cache,
  name: string,
  links: PageLinks,
): Promise<VersionedPage | undefined> {
  // Read before everything else: what changes in between makes the page too new for its version, and it is not stored.
  const project = await depot.get(cache, PROJECT_KIND, name)
  if (project === undefined) return undefined
  const status = await readStatus(depot, cache, name)
  const files: PythonFile[] = []
  for (const { file } of await readFiles(depot, cache, name)) if (!isTombstone(file)) files.push(file)
  if (files.length === 0) return undefined
  const releases = inOrder(files)
  const listed: ListedFile[] = []
  // A quarantined project stays known, and offers nothing (PEP 792).
  for (const release of status?.status === 'quarantined' ? [] : releases) {
    await breath()
    for (const file of release.files) listed.push(listFile(file, { name, version: release.version.text, links }))
  }
  const versions = releases.map(({ version }) => version.text)
  return {
    version: project.version,
    page: { name, status, versions, files: listed, filesUrl: `${links.files}${name}/` },
  }
}

interface Release {
  readonly version: Version
  readonly files: PythonFile[]
}

/** Sorted by version, and files by name within one. Versions are compared once each, because that is what is slow. */
function inOrder(files: readonly PythonFile[]): readonly Release[] {
  const bySpelling = new Map<string, Release>()
  for (const file of files) {
    const release = bySpelling.get(file.version) ?? { version: versionOf(file), files: [] }
    release.files.push(file)
    bySpelling.set(file.version, release)
  }
  const releases: Release[] = []
  for (const release of [...bySpelling.values()].sort((a, b) => compareVersions(a.version, b.version))) {
    const before = releases.at(-1)
    // `1.0` and `1.0.0` are one version, and the first spelling stands for both.
    if (before !== undefined && compareVersions(before.version, release.version) === 0)
      before.files.push(...release.files)
    else releases.push(release)
  }
  for (const release of releases) release.files.sort((a, b) => (a.filename < b.filename ? -1 : 1))
  return releases
}

function versionOf({ filename, version }: PythonFile): Version {
  const parsed = parseVersion(version)
  if (parsed === undefined) throw new Error(`the record of ${filename} has no valid version`)
  return parsed
}

interface Place {
  readonly name: string
  /** In the spelling that stands for all. */
  readonly version: string
  readonly links: PageLinks
}

function listFile(file: PythonFile, { name, version, links }: Place): ListedFile {
  const { filename, sha256, sizeBytes, requiresPython, uploadTime, yanked, metadata, provenance } = file
  const provenanceUrl =
    provenance && `${links.integrity}${name}/${encodeURIComponent(version)}/${encodeURIComponent(filename)}/provenance`
  return {
    filename,
    version,
    sha256,
    sizeBytes,
    requiresPython,
    uploadTime,
    yanked,
    metadataSha256: metadata?.sha256,
    provenanceUrl,
  }
}
