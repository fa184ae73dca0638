import { inParallel } from '../../../src/client/in-parallel.ts'
import { failItem } from '../../../src/client/report.ts'
import type { PushRun } from '../../../src/client/runs.ts'
import { LIMITS } from '../../../src/limits.ts'
import { createTurns, type Turns } from '../../../src/turns.ts'
import { versionKey } from '../records.ts'
import { askVersions, type AskedVersion, type DepotState } from './ask-versions.ts'
import type { DoneVersion } from './history.ts'
import { pushHistory } from './push-history.ts'
import { pushKeys } from './push-keys.ts'
import { savedPackages, type HeldVersion, type SavedPackage } from './saved-packages.ts'
import { sendAttestations, sendVersion } from './send-version.ts'

/**
 * Bring the packages of a saved folder into a depot: what it lacks of them, then what is said of them, their dates, tags, deprecations and
 * readmes. What fails alone is reported, and keeps no other back. Returns how many packages the folder has.
 *
 * @throws DepotError for what ends it early
 */
export async function pushNpm(run: PushRun): Promise<number> {
  await pushKeys(run)
  let packages = 0
  for await (const batch of batches(savedPackages(run.files, run.report))) {
    packages += batch.length
    await pushBatch(run, batch)
  }
  return packages
}

/** Packages for about one question. */
async function* batches(packages: AsyncIterable<SavedPackage>): AsyncGenerator<readonly SavedPackage[]> {
  let batch: SavedPackage[] = []
  let versions = 0
  for await (const one of packages) {
    batch.push(one)
    versions += asked(one).length
    if (versions < LIMITS.npmMissingVersionsMax) continue
    yield batch
    batch = []
    versions = 0
  }
  if (batch.length > 0) yield batch
}

function asked({ name, held, elsewhere, tags, latest }: SavedPackage): readonly AskedVersion[] {
  const saved = [...held, ...elsewhere].map(({ version, declared }) => ({ name, version, declared }))
  const own = new Set(saved.map(({ version }) => version))
  const tagged = new Set([...tags.values(), ...(latest === undefined ? [] : [latest])])
  return [...saved, ...[...tagged].filter((version) => !own.has(version)).map((version) => ({ name, version }))]
}

async function pushBatch(run: PushRun, batch: readonly SavedPackage[]): Promise<void> {
  const state = await askVersions(run.transfer, batch.flatMap(asked))
  const all = batch.flatMap(({ name, held }) => held.map(({ version, tarball }) => ({ name, version, tarball })))
  const missing = all.filter(({ name, version }) => state.missing.has(versionKey(name, version)))
  const items = all.length + batch.reduce((sum, { elsewhere }) => sum + elsewhere.length, 0)
  run.report.expect({ items, bytes: missing.reduce((sum, { tarball }) => sum + tarball.sizeBytes, 0) })
  const turns = createTurns(LIMITS.transferAtOnce)
  await inParallel(batch, LIMITS.transferAtOnce, (one) => pushPackage(run, one, { state, turns }))
}

interface BatchWork {
  readonly state: DepotState
  /** Tarballs that are read at once. */
  readonly turns: Turns
}

async function pushPackage(run: PushRun, saved: SavedPackage, { state, turns }: BatchWork): Promise<void> {
  const { name, held } = saved
  const { report } = run
  const done: DoneVersion[] = versionsElsewhere(run, saved, state)
  await inParallel(held, LIMITS.transferAtOnce, async (version) => {
    await turns.take()
    try {
      if (await pushVersion(run, name, version, state)) done.push(version)
    } finally {
      turns.giveBack()
    }
  })
  try {
    await pushHistory(run, saved, { done, state })
  } catch (error) {
    failItem(report, name, error)
  }
}

/** Those that the depot has, of the versions whose tarballs are not in the folder. */
function versionsElsewhere({ report }: PushRun, { name, elsewhere }: SavedPackage, state: DepotState): DoneVersion[] {
  const there: DoneVersion[] = []
  for (const version of elsewhere) {
    const item = versionKey(name, version.version)
    const reason = refusal(state, item) ?? (state.missing.has(item) ? NOT_HERE : undefined)
    report.add(reason === undefined ? { item, result: 'there' } : { item, result: 'failed', reason })
    if (reason === undefined) there.push(version)
  }
  return there
}

const NOT_HERE =
  'its tarball is neither in the folder nor in the depot: bring in the bundle that this one builds on first, or save it again'

function refusal({ differs, deleted }: DepotState, key: string): string | undefined {
  if (differs.has(key)) return 'the depot has other bytes under this version, and keeps them'
  if (deleted.has(key)) return `it was deleted from the depot (depot npm forget ${key} frees its name)`
  return undefined
}

/** Whether the version is in the depot now, or would be. */
async function pushVersion(run: PushRun, name: string, version: HeldVersion, state: DepotState): Promise<boolean> {
  const { report, dryRun } = run
  const item = versionKey(name, version.version)
  const { tarball, attestations } = version
  try {
    const reason = refusal(state, item)
    if (reason !== undefined) throw new Error(reason)
    const isMissing = state.missing.has(item)
    if (isMissing) await sendVersion(run, name, version)
    report.add({ item, result: isMissing ? 'done' : 'there', sizeBytes: tarball.sizeBytes })
    if (isMissing || attestations === undefined || state.attested.has(item)) return true
    if (!dryRun) await sendAttestations(run, name, version.version, attestations)
    report.add({ item: `the provenance of ${item}`, result: 'done', sizeBytes: attestations.sizeBytes })
    return true
  } catch (error) {
    failItem(report, item, error)
    return !state.missing.has(item) && refusal(state, item) === undefined
  }
}
