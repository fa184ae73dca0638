import type { SaveRun } from '../../../src/client/runs.ts'
import { findDistribution } from '../filename.ts'
import { chooseFiles, isAmong, isOfVersion, spelled, versionKey, type KnownFile, type PlannedVersion } from './plan.ts'
import { isWhole, savedPath } from './save-file.ts'
import { readSavedEntry, type Notes } from './saved-entry.ts'
import { choosing, type Choice } from './select-files.ts'

interface Looking {
  readonly run: SaveRun
  readonly choice: Choice
  /** Whether what an index said of a version in an earlier save is good enough. */
  readonly remembers: boolean
}

/** A version and what is to be there of it. */
interface Chosen {
  readonly planned: PlannedVersion
  readonly files: readonly KnownFile[]
  /** Whether all of them are there and right. */
  readonly isThere: boolean
}

/** What is to be there of a version, when that is known without an index. */
export async function lookInFolder(save: Looking, planned: PlannedVersion): Promise<Chosen | undefined> {
  const { run, choice } = save
  const listed = planned.files.size > 0 ? [...planned.files.values()] : await rememberedFiles(save, planned)
  const files = chooseFiles(listed, choosing(choice, planned))
  if (files.length === 0) return undefined
  let isThere = true
  for (const { distribution, hashes } of files)
    isThere &&= await isWhole(run, savedPath(planned.project, distribution.filename), hashes)
  return { planned, files, isThere }
}

/** Files of a version as an index listed them for an earlier save. They are all there are when they have every digest of the lock. */
async function rememberedFiles(
  { run, remembers }: Looking,
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
