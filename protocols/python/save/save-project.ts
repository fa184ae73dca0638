import { inParallel } from '../../../src/client/in-parallel.ts'
import type { SaveRun } from '../../../src/client/runs.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { Distribution } from '../filename.ts'
import { failOne } from './fail-one.ts'
import type { Indexes } from './index-client.ts'
import type { IndexPage } from './index-page.ts'
import type { PlannedVersion } from './plan.ts'
import { saveFile } from './save-file.ts'
import { filesOf, parsedFiles, whyNone, type Choice } from './select-files.ts'
import { lookInFolder } from './versions-here.ts'

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
    for (const { project, version } of missing) failOne(run.report, `${project}==${version}`, error)
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

async function saveFrom(
  save: ProjectSave,
  page: IndexPage | undefined,
  versions: readonly PlannedVersion[],
): Promise<readonly SavedVersion[]> {
  const { report } = save.run
  const listed = page && parsedFiles(page)
  const saved: SavedVersion[] = []
  for (const planned of versions) {
    const files = filesOf(save.choice, planned, listed)
    if (files.length === 0)
      report.add({ item: `${planned.project}==${planned.version}`, ...whyNone(save.choice, listed, planned) })
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
