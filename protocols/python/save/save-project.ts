import { inParallel } from '../../../src/client/in-parallel.ts'
import type { SaveRun } from '../../../src/client/runs.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { messageOf } from '../../../src/thrown.ts'
import { findDistribution, type Distribution } from '../filename.ts'
import { endsAsking, type Indexes } from './index-client.ts'
import { addressIn, hashesIn, type IndexFile, type IndexPage } from './index-page.ts'
import { chooseFiles, isOfVersion, versionKey, type KnownFile, type PlannedVersion, type SdistPolicy } from './plan.ts'
import { isWhole, saveFile, savedPath, type FileToSave } from './save-file.ts'
import { allowsPython } from './requires-python.ts'
import { readSavedEntry, type Notes } from './saved-entry.ts'
import type { Wanted } from './wheel-filter.ts'

export interface Choice {
  readonly wanted: Wanted
  readonly sdists: SdistPolicy
}

export interface ProjectSave {
  readonly run: SaveRun
  readonly indexes: Indexes
  readonly choice: Choice
  /** Whether what an index said of a version in an earlier save is good enough. */
  readonly remembers: boolean
}

/** What was saved, or was there, of one project. */
export interface SavedVersion {
  readonly project: string
  readonly version: string
  readonly files: readonly Distribution[]
  /** Whether all of them are there. */
  readonly isWhole: boolean
}

/** A version and what is to be there of it. */
interface Chosen {
  readonly planned: PlannedVersion
  readonly files: readonly KnownFile[]
  /** Whether all of them are there and right. */
  readonly isThere: boolean
}

/**
 * Save some versions of one project. The index is asked once, and not at all when what is there answers. Each file, or version of which
 * nothing can be had, is reported.
 *
 * @throws DepotError for what ends the whole save
 */
export async function saveProject(
  save: ProjectSave,
  versions: readonly PlannedVersion[],
): Promise<readonly SavedVersion[]> {
  const { run } = save
  const known = await Promise.all(versions.map((planned) => lookInFolder(save, planned)))
  const there = known.filter((chosen) => chosen?.isThere === true).flatMap((chosen) => chosen ?? [])
  for (const { files } of there)
    for (const { distribution } of files) run.report.add({ item: distribution.filename, result: 'there' })
  const missing = versions.filter((_planned, at) => known[at]?.isThere !== true)
  const saved = there.map(({ planned, files }) => savedVersion(planned, files, true))
  if (missing.length === 0) return saved
  try {
    const project = missing[0]?.project ?? ''
    const page = await save.indexes.page(project)
    return [...saved, ...(await saveFrom(save, page, missing))]
  } catch (error) {
    if (endsAsking(error) || !(error instanceof DepotError)) throw error
    for (const { project, version } of missing)
      run.report.add({ item: `${project}==${version}`, result: 'failed', reason: messageOf(error) })
    return saved
  }
}

function savedVersion(
  { project, version }: PlannedVersion,
  files: readonly { readonly distribution: Distribution }[],
  isWhole: boolean,
): SavedVersion {
  return { project, version, files: files.map(({ distribution }) => distribution), isWhole }
}

/** What is to be there of a version, when that is known without an index. */
async function lookInFolder(save: ProjectSave, planned: PlannedVersion): Promise<Chosen | undefined> {
  const { run, choice } = save
  const listed = planned.files.size > 0 ? [...planned.files.values()] : await rememberedFiles(save, planned)
  if (listed.length === 0) return undefined
  const files = chooseFiles(listed, choice)
  let isThere = true
  for (const { distribution, hashes } of files)
    isThere &&= await isWhole(run, savedPath(planned.project, distribution.filename), hashes)
  return { planned, files, isThere }
}

/** Files of a version as an index listed them for an earlier save. They are all there are when they have every digest of the lock. */
async function rememberedFiles(
  { run, remembers }: ProjectSave,
  { project, version, hashes }: PlannedVersion,
): Promise<readonly KnownFile[]> {
  if (hashes.size === 0 && !remembers) return []
  const siblings = await notedSiblings(run, project, versionKey(version))
  const files = [...(siblings ?? [])].flatMap(([filename, digests]): KnownFile[] => {
    const distribution = findDistribution(filename)
    const allowed = hashes.size === 0 || isAmong(digests, hashes)
    return distribution === undefined || !allowed ? [] : [{ distribution, hashes: digests }]
  })
  const found = new Set(files.flatMap((file) => spelled(file.hashes)))
  return [...hashes].every((hash) => found.has(hash)) ? files : []
}

async function notedSiblings(run: SaveRun, project: string, key: string): Promise<Notes['siblings']> {
  for await (const { path } of run.folder.list(project)) {
    const filename = path.slice(project.length + 1)
    const distribution = findDistribution(filename)
    if (distribution === undefined || !isOfVersion(distribution, key)) continue
    const entry = await readSavedEntry(run.folder, path)
    if (entry?.notes.siblings !== undefined) return entry.notes.siblings
  }
  return undefined
}

function spelled(hashes: KnownFile['hashes']): readonly string[] {
  return Object.entries(hashes).map(([algorithm, hash]) => `${algorithm}:${hash.toLowerCase()}`)
}

function isAmong(hashes: KnownFile['hashes'], allowed: ReadonlySet<string>): boolean {
  return spelled(hashes).some((hash) => allowed.has(hash))
}

async function saveFrom(
  save: ProjectSave,
  page: IndexPage | undefined,
  versions: readonly PlannedVersion[],
): Promise<readonly SavedVersion[]> {
  const { report } = save.run
  const listed = parsedFiles(page)
  const saved: SavedVersion[] = []
  for (const planned of versions) {
    const files = filesOf(save, planned, listed)
    if (files.length === 0)
      report.add({ item: `${planned.project}==${planned.version}`, ...whyNone(save, page, planned) })
    report.expect({ items: files.length, bytes: files.reduce((sum, { file }) => sum + (file?.sizeBytes ?? 0), 0) })
    let isWhole = files.length > 0
    await inParallel(files, LIMITS.downloadAtOnce, async ({ distribution, file, ...rest }) => {
      const there = file !== undefined && (await saveFile(save.run, { file, ...rest }))
      isWhole &&= there
      if (file === undefined) report.add({ item: distribution.filename, result: 'failed', reason: UNLISTED })
    })
    saved.push(savedVersion(planned, files, isWhole))
  }
  return saved
}

const UNLISTED = 'the index does not list this file of the lock'

function whyNone(
  { choice }: ProjectSave,
  page: IndexPage | undefined,
  { project, version, hashes }: PlannedVersion,
): { readonly result: 'failed' | 'left out'; readonly reason: string } {
  if (page === undefined) return { result: 'failed', reason: 'no index has this project' }
  const own = [...parsedFiles(page).values()].filter(({ distribution }) => isOf(distribution, project, version))
  if (own.length === 0) return { result: 'failed', reason: 'the index has no file of this version' }
  // A resolver that looks at later versions of Python too finds versions for those.
  if (!own.some(({ file }) => allowsPython(file.entry['requires-python'], choice.wanted.pythons)))
    return { result: 'left out', reason: 'it is for other versions of Python' }
  const some = hashes.size > 0 ? ', or none with a hash of the lock file' : ''
  return { result: 'failed', reason: `no file of it is wanted${some}: look at --python, --platform and --sdist` }
}

function isOf(distribution: Distribution, project: string, version: string): boolean {
  return distribution.project === project && isOfVersion(distribution, versionKey(version))
}

type Listed = ReadonlyMap<string, { readonly distribution: Distribution; readonly file: IndexFile }>

/** What is no distribution's name is passed over: pages of old projects have many. */
function parsedFiles(page: IndexPage | undefined): Listed {
  return new Map(
    (page?.files ?? []).flatMap((file) => {
      const distribution = findDistribution(file.filename)
      return distribution === undefined ? [] : [[file.filename, { distribution, file }] as const]
    }),
  )
}

type Found = { readonly distribution: Distribution } & Omit<FileToSave, 'file'> & {
    readonly file: IndexFile | undefined
  }

function filesOf({ choice }: ProjectSave, planned: PlannedVersion, listed: Listed): readonly Found[] {
  const { project, version } = planned
  if (planned.files.size > 0)
    return chooseFiles([...planned.files.values()], choice).map((known) => {
      const file = listed.get(known.distribution.filename)?.file ?? fileOfLock(known)
      return { project, distribution: known.distribution, file, locked: known.hashes }
    })
  const own = [...listed.values()].filter(({ distribution }) => isOf(distribution, project, version))
  const allowed = planned.hashes.size === 0 ? own : own.filter(({ file }) => isAmong(file.hashes, planned.hashes))
  const siblings = new Map(own.map(({ file }) => [file.filename, file.hashes]))
  const usable = allowed.filter(({ file }) => allowsPython(file.entry['requires-python'], choice.wanted.pythons))
  // One list for a version is enough.
  return chooseFiles(usable, choice).map(({ distribution, file }, at) => ({
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
