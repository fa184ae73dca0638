import { inParallel } from '../../../src/client/in-parallel.ts'
import type { SaveRun } from '../../../src/client/runs.ts'
import { LIMITS } from '../../../src/limits.ts'
import { findDistribution, type Distribution } from '../filename.ts'
import type { ReadLock } from '../locks/read-lock.ts'
import { openIndexes } from './index-client.ts'
import { hashesIn, lastName } from './index-page.ts'
import { planFiles, planPins, planVersions, versionKey, type Plan, type PlannedVersion } from './plan.ts'
import { resolveAll } from './resolve-all.ts'
import { findResolver } from './find-resolver.ts'
import type { Requirements, Resolver, ResolverOptions } from './resolver.ts'
import { findBuilds, noteBuilds, type BuildOptions } from './save-builds.ts'
import { saveFile } from './save-file.ts'
import { saveProject, type ProjectSave, type SavedVersion } from './save-project.ts'
import type { Choice } from './select-files.ts'
import { waitingOnce } from './waiting-once.ts'

export interface PythonSave extends Omit<ResolverOptions, 'programs' | 'wanted'> {
  readonly run: SaveRun
  readonly choice: Choice
  /** Whether what builds the sdists is saved with them. */
  readonly builds: boolean
}

/** What is to be saved. */
export interface Asked {
  /** As somebody typed them: PEP 508. */
  readonly specs: readonly string[]
  readonly locks: readonly ReadLock[]
}

/**
 * Save distributions with everything that they depend on: what locks name as it is, the rest as uv or pip finds it; then what builds
 * the sdists among them, and what builds that, until nothing is missing.
 *
 * @throws DepotError for what ends the whole save; everything else is reported
 */
export async function savePython(save: PythonSave, { specs, locks }: Asked): Promise<void> {
  const { choice } = save
  const run = { ...save.run, download: waitingOnce(save.run.download) }
  const resolver = once(() => findResolver({ ...save, programs: run.programs, wanted: choice.wanted }))
  const plan: Plan = new Map()
  for (const lock of locks) planLock(run, plan, lock)
  const asked: Requirements = {
    lines: [...specs, ...locks.flatMap(({ requirements }) => requirements)],
    constraints: locks.flatMap(({ constraints }) => constraints),
    preReleases: locks.some(({ options }) => options.preReleases),
  }
  if (asked.lines.length > 0) {
    const found = await resolveAll(await resolver(), asked, { report: run.report, together: specs.length === 0 })
    planPins(plan, found.versions)
    for (const { project, address } of found.addresses) await saveAddress(run, project, address)
  }
  const projects = { run, choice, indexes: openIndexes(run.download, save.indexes), remembers: false }
  const saved = await savePlan(projects, plan)
  if (save.builds)
    await saveBuilds({ ...projects, remembers: true }, saved, buildOptions({ ...save, run }, asked, resolver))
}

function buildOptions(
  { run, choice }: PythonSave,
  { constraints }: Requirements,
  resolver: () => Promise<Resolver | undefined>,
): BuildOptions {
  const { pythons, platforms } = choice.wanted
  const forWhom = [pythons, platforms].map((list) => list.map(({ typed }) => typed).join(',')).join(' on ')
  return { run, resolver, constraints, forWhom }
}

/** Ask for something at most once, when it is needed. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined
  return () => (answer ??= ask())
}

function planLock({ report }: SaveRun, plan: Plan, { files, versions, others }: ReadLock): void {
  for (const item of planFiles(plan, files))
    report.add({ item, result: 'left out', reason: 'it is no wheel and no sdist: installers of today pass it over' })
  planVersions(plan, versions)
  for (const { item, reason, breaks } of others) report.add({ item, result: breaks ? 'failed' : 'left out', reason })
}

async function savePlan(save: ProjectSave, plan: Plan): Promise<readonly SavedVersion[]> {
  const saved: SavedVersion[] = []
  await inParallel(plan.values(), LIMITS.transferAtOnce, async (versions) => {
    saved.push(...(await saveProject(save, [...versions.values()])))
  })
  return saved
}

/** `name @ https://…`: a file that is in no index. */
async function saveAddress(run: SaveRun, project: string, address: string): Promise<void> {
  const url = URL.parse(address)
  const filename = (url && lastName(url)) ?? ''
  const isFile = url?.protocol === 'https:' || url?.protocol === 'http:'
  if (url === null || !isFile || findDistribution(filename)?.project !== project) {
    const reason = 'it comes from an address that is no wheel and no sdist: build a wheel of it and publish that'
    run.report.add({ item: project, result: 'failed', reason })
    return
  }
  const hashes = hashesIn(url.hash.slice(1))
  url.hash = ''
  const entry = { filename, url: url.href, hashes }
  await saveFile(run, { project, file: { filename, url, hashes, entry }, locked: {} })
}

/** Save what builds the sdists of the last round, until a round brings nothing new. */
async function saveBuilds(save: ProjectSave, saved: readonly SavedVersion[], options: BuildOptions): Promise<void> {
  const whole = new Map(saved.map((version) => [idOf(version), version.isWhole]))
  let sdists = sdistsOf(saved)
  for (let round = 0; sdists.length > 0; round++) {
    if (round === LIMITS.buildRoundsMax) {
      const reason = `what builds it is built by something else, ${round} times over`
      for (const { filename } of sdists) save.run.report.add({ item: filename, result: 'failed', reason })
      return
    }
    const builds = await findBuilds(options, sdists)
    const plan: Plan = new Map()
    planPins(
      plan,
      builds.flatMap(({ pins }) => pins),
    )
    const next = await savePlan(save, withoutKnown(plan, whole))
    for (const version of next) whole.set(idOf(version), version.isWhole)
    await noteBuilds(options, builds, (project, key) => whole.get(`${project}==${key}`) === true)
    sdists = sdistsOf(next)
  }
}

function idOf({ project, version }: Pick<SavedVersion, 'project' | 'version'>): string {
  return `${project}==${versionKey(version)}`
}

function sdistsOf(saved: readonly SavedVersion[]): readonly Distribution[] {
  return saved.flatMap(({ files, isWhole }) => (isWhole ? files.filter(({ kind }) => kind === 'sdist') : []))
}

function withoutKnown(plan: Plan, known: ReadonlyMap<string, unknown>): Plan {
  const isNew = (version: PlannedVersion): boolean => !known.has(idOf(version))
  const left = [...plan].map(
    ([project, versions]) => [project, new Map([...versions].filter(([, version]) => isNew(version)))] as const,
  )
  return new Map(left.filter(([, versions]) => versions.size > 0))
}
