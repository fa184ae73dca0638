import type npa from 'npm-package-arg'

import { concernsOne } from '../../../src/client/fail-saved.ts'
import { inParallel } from '../../../src/client/in-parallel.ts'
import type { SaveRun } from '../../../src/client/runs.ts'
import { LIMITS } from '../../../src/limits.ts'
import { createTurns } from '../../../src/turns.ts'
import type { ReadLock } from '../locks/locked-package.ts'
import type { NpmSettings } from '../npm-settings.ts'
import { parsePackageName } from '../package-name.ts'
import { parseVersion } from '../version.ts'
import { packageFacts, type PackageFacts } from './package-facts.ts'
import { runsOn, type Platform } from './platforms.ts'
import { registryOf, type Registry } from './registry.ts'
import { resolve, type Resolved, type Root } from './resolve.ts'
import { saveKeys } from './save-keys.ts'
import { savePackage } from './save-package.ts'
import { openSources } from './save-sources.ts'
import { parseUpstreamPackument, type Members } from './upstream-packument.ts'

/** What is to be saved. */
export interface NpmWanted {
  /** Specs and projects, whose versions are to be found. */
  readonly roots: readonly Root[]
  readonly locks: readonly ReadLock[]
  /** What runs on none of these is left out where an install goes on without it. Empty: nothing is. */
  readonly platforms: readonly Platform[]
}

/** By package and version, the integrity strings that lock files have. */
type Wanted = Map<string, Map<string, string[]>>

/**
 * Save packages of npm registries with everything that an install of them may need: `depot npm save`. What the folder has is not
 * fetched again; where lock files say all, the registry is not asked.
 *
 * @throws DepotError for what concerns all that is still to come
 */
export async function saveNpm(run: SaveRun, wanted: NpmWanted, settings: NpmSettings): Promise<void> {
  const registry = registryOf(run.download, settings)
  const { known, facts } = askingOnce(registry)
  const sources = openSources(run, registry)
  const source = (spec: npa.Result): Promise<Members | undefined> => sources.packageJson(spec)
  const resolved = await resolve(wanted.roots, { facts, source, platforms: wanted.platforms })
  tell(run, resolved)
  const all = gather(run, resolved, wanted)
  run.report.expect({ items: [...all.values()].reduce((sum, versions) => sum + versions.size, 0) })
  const asked: string[] = []
  await inParallel(all, LIMITS.npmSavedAtOnce, async ([name, versions]) => {
    const one = { ...run, registry, name, wanted: versions }
    if (await savePackage({ ...one, ...sourceOf(name, registry, known.get(name)) })) asked.push(name)
    known.delete(name)
  })
  for (const other of resolved.others) await sources.save(other)
  for (const other of wanted.locks.flatMap((lock) => lock.others)) await sources.saveLocked(other)
  if (asked.length > 0) await saveKeys(run, registry, asked)
}

/** What the registry says of packages, each asked once. When it is down, those that wait are not asked in vain. */
function askingOnce(registry: Registry) {
  const known = new Map<string, Promise<PackageFacts>>()
  const turns = createTurns(LIMITS.downloadAtOnce)
  let down: { readonly error: unknown } | undefined
  async function ask(name: string): Promise<PackageFacts> {
    await turns.take()
    try {
      if (down !== undefined) throw down.error
      return packageFacts(name, await registry.packument(name))
    } catch (error) {
      if (!concernsOne(error)) down = { error }
      throw error
    } finally {
      turns.giveBack()
    }
  }
  const facts = (name: string): Promise<PackageFacts> => {
    const asked = known.get(name) ?? ask(name)
    known.set(name, asked)
    return asked
  }
  return { known, facts }
}

function sourceOf(name: string, registry: Registry, known: Promise<PackageFacts> | undefined) {
  const packument = async () =>
    known === undefined ? parseUpstreamPackument(name, await registry.packument(name)) : (await known).packument()
  return { packument, refresh: known !== undefined }
}

/** What cannot be found. */
function tell({ report }: SaveRun, { problems }: Resolved): void {
  for (const { item, reason, optional } of problems)
    report.add({ item, result: optional ? 'left out' : 'failed', reason })
}

function gather({ report }: SaveRun, { packages }: Resolved, { locks, platforms }: NpmWanted): Wanted {
  const all: Wanted = new Map()
  const add = (name: string, version: string, integrity?: string): void => {
    const versions = all.get(name) ?? new Map<string, string[]>()
    versions.set(version, [...(versions.get(version) ?? []), ...(integrity === undefined ? [] : [integrity])])
    all.set(name, versions)
  }
  for (const [name, versions] of packages) for (const version of versions) add(name, version)
  for (const locked of locks.flatMap((lock) => lock.packages)) {
    if (locked.optional && !runsOn(locked, platforms)) continue
    const item = `${locked.name}@${locked.version}`
    if (parsePackageName(locked.name) === undefined || parseVersion(locked.version) === undefined)
      report.add({ item, result: 'failed', reason: 'no package of a registry has such a name and version' })
    else add(locked.name, locked.version, locked.integrity)
  }
  return all
}
