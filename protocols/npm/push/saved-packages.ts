import type { Report } from '../../../src/client/report.ts'
import { savedText, type SavedFile, type SavedFiles } from '../../../src/client/saved-files.ts'
import { failItem } from '../../../src/client/report.ts'
import { LIMITS } from '../../../src/limits.ts'
import { parsePackageName } from '../package-name.ts'
import { savedAttestationsPath, savedMetadataPath, savedTarballPath } from '../saved-paths.ts'
import { tarballPath } from '../tarball-name.ts'
import { readKeptPackument, type VerdaccioPackage, type VerdaccioVersion } from '../verdaccio.ts'

/** A package of a folder that was saved. */
export interface SavedPackage extends Pick<VerdaccioPackage, 'time' | 'tags' | 'stars' | 'readme'> {
  readonly name: string
  /** Those whose tarball lies in the folder. */
  readonly held: readonly HeldVersion[]
  /** Those that were saved, and whose tarball does not lie there: it should be in the depot, or in another folder. */
  readonly elsewhere: readonly Pick<VerdaccioVersion, 'version' | 'declared' | 'deprecated'>[]
  /** All that the metadata tells of. */
  readonly versions: readonly { readonly version: string }[]
  /** Where `latest` points in the registry, when that version was not saved: the tag in the metadata is then a stand-in. */
  readonly latest: string | undefined
}

export interface HeldVersion extends Pick<VerdaccioVersion, 'version' | 'manifest' | 'declared' | 'deprecated'> {
  readonly tarball: SavedFile
  readonly attestations: SavedFile | undefined
}

/**
 * The packages of a folder, one after the other: whatever has a `metadata.json`. What cannot be read is reported. The folders of
 * a-h/depot are read too; their metadata tells of all versions of a package, so one without a tarball was never saved.
 */
export async function* savedPackages(files: SavedFiles, report: Report): AsyncGenerator<SavedPackage> {
  for await (const { name, found } of folders(files)) {
    const metadata = found.get(savedMetadataPath(name))
    if (metadata === undefined) {
      const reason = `there is no ${savedMetadataPath(name)}, which comes last: save it again`
      if ([...found.keys()].some((path) => path.endsWith('.tgz'))) report.add({ item: name, result: 'failed', reason })
      continue
    }
    try {
      if (parsePackageName(name) === undefined) throw new Error('that is not the name of a package')
      yield readPackage(name, await savedText(metadata, LIMITS.upstreamDocumentBytesMax), found, report)
    } catch (error) {
      failItem(report, name, error)
    }
  }
}

interface Folder {
  readonly name: string
  readonly found: Map<string, SavedFile>
}

/** Files by the package that their place names: they come in order, so each package's are together. */
async function* folders(files: SavedFiles): AsyncGenerator<Folder> {
  let folder: Folder | undefined
  for await (const file of files.list()) {
    const name = /^(?:@[^/]+\/)?[^@/][^/]*(?=\/)/.exec(file.path)?.[0]
    if (name === undefined || name === NOT_PACKAGES) continue
    if (folder?.name !== name) {
      if (folder !== undefined) yield folder
      folder = { name, found: new Map() }
    }
    folder.found.set(file.path, file)
  }
  if (folder !== undefined) yield folder
}

/** Holds what is about no package in particular. */
const NOT_PACKAGES = '-'

function readPackage(name: string, text: string, found: ReadonlyMap<string, SavedFile>, report: Report): SavedPackage {
  const kept = readKeptPackument(name, text, 'metadata.json')
  const tarballOf = (version: string): SavedFile | undefined =>
    [savedTarballPath(name, version), besideMetadata(name, version)].map((path) => found.get(path)).find(Boolean)
  for (const { version, reason } of kept.refused) {
    if (kept.depot !== undefined || tarballOf(version) !== undefined)
      report.add({ item: `${name}@${version}`, result: 'failed', reason })
  }
  const held: HeldVersion[] = []
  const elsewhere: SavedPackage['elsewhere'][number][] = []
  for (const version of kept.versions) {
    const tarball = tarballOf(version.version)
    const attestations = found.get(savedAttestationsPath(name, version.version))
    if (tarball !== undefined) held.push({ ...version, tarball, attestations })
    else if (kept.depot !== undefined) elsewhere.push(withoutManifest(version))
  }
  // Raw metadata has thousands of manifests that nobody needs any more.
  const versions = kept.versions.map(({ version }) => ({ version }))
  const latest = kept.depot?.['latest']
  const { time, tags, readme } = kept
  // Who starred it there is nobody here.
  const told = { time, tags, readme, stars: [] }
  return {
    name,
    held,
    elsewhere,
    versions,
    latest: typeof latest === 'string' ? latest : undefined,
    ...told,
  }
}

function withoutManifest({ version, declared, deprecated }: VerdaccioVersion): SavedPackage['elsewhere'][number] {
  return { version, declared, deprecated }
}

/** `@s/p/p-1.0.0.tgz`, as other tools name it. */
function besideMetadata(name: string, version: string): string {
  return `${name}/${tarballPath(name, version).split('/').at(-1)}`
}
