import { inParallel } from '../../../src/client/in-parallel.ts'
import type { SaveRun } from '../../../src/client/runs.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { Distribution } from '../filename.ts'
import { buildRequirements } from './build-requirements.ts'
import { failOne } from './fail-one.ts'
import { versionKey } from './plan.ts'
import { resolveAll } from './resolve-all.ts'
import type { Resolver } from './resolver.ts'
import { savedPath } from './save-file.ts'
import { readSavedEntry, writeSavedEntry, type Pin } from './saved-entry.ts'

export interface BuildOptions {
  readonly run: SaveRun
  /** Asked for only when something has to be resolved. */
  readonly resolver: () => Promise<Resolver | undefined>
  readonly constraints: readonly string[]
  /** For whom the pins are: those of other interpreters are of no use. */
  readonly forWhom: string
}

/** What an sdist needs to be built. */
export interface Build {
  readonly sdist: Distribution
  readonly pins: readonly Pin[]
  /** Whether an earlier save found it out, and noted it. */
  readonly isNoted: boolean
}

/** What some sdists that are there need to be built; without those of which that cannot be found out, which are reported. */
export async function findBuilds(options: BuildOptions, sdists: readonly Distribution[]): Promise<readonly Build[]> {
  const builds: Build[] = []
  const asking = new Map<string, Distribution[]>()
  await inParallel(sdists, LIMITS.zipsReadAtOnce, async (sdist) => {
    const path = savedPath(sdist.project, sdist.filename)
    const noted = (await readSavedEntry(options.run.folder, path))?.notes.build
    if (noted?.for === options.forWhom) {
      builds.push({ sdist, pins: noted.pins, isNoted: true })
      return
    }
    const lines = await requirementsOf(options, sdist)
    if (lines === undefined) return
    // Most sdists ask for the same.
    const key = lines.toSorted().join('\n')
    asking.set(key, [...(asking.get(key) ?? []), sdist])
  })
  await inParallel(asking, LIMITS.resolversAtOnce, async ([key, same]) => {
    const pins = await pinsOf(options, key === '' ? [] : key.split('\n'))
    for (const sdist of pins === undefined ? [] : same) builds.push({ sdist, pins: pins ?? [], isNoted: false })
  })
  return builds
}

async function requirementsOf({ run }: BuildOptions, sdist: Distribution): Promise<readonly string[] | undefined> {
  try {
    const file = await run.folder.find(savedPath(sdist.project, sdist.filename))
    return file && (await buildRequirements(file, sdist))
  } catch (error) {
    failOne(run.report, `${sdist.filename} (to build it)`, error, 'what builds it cannot be found out: ')
    return undefined
  }
}

/** Undefined when they cannot be found, which has been reported. */
async function pinsOf(options: BuildOptions, lines: readonly string[]): Promise<readonly Pin[] | undefined> {
  if (lines.length === 0) return []
  let failed = false
  const { report } = options.run
  const found = await resolveAll(
    await options.resolver(),
    { lines, constraints: options.constraints, preReleases: false },
    {
      together: true,
      report: {
        ...report,
        add: (outcome) => {
          failed = true
          report.add({ ...outcome, item: `${outcome.item} (to build an sdist)` })
        },
      },
    },
  )
  // For all who are wanted: what is noted of them is read by saves for others too.
  return failed ? undefined : unique(found.versions)
}

/** Note with each sdist what it needs, once all of that is there: the next save then asks nobody. */
export async function noteBuilds(
  { run, forWhom }: BuildOptions,
  builds: readonly Build[],
  isThere: (project: string, key: string) => boolean,
): Promise<void> {
  for (const { sdist, pins, isNoted } of builds) {
    if (isNoted || !pins.every(({ project, version }) => isThere(project, versionKey(version)))) continue
    const path = savedPath(sdist.project, sdist.filename)
    const entry = await readSavedEntry(run.folder, path)
    if (entry === undefined) continue
    const notes = { ...entry.notes, build: { for: forWhom, pins } }
    await writeSavedEntry(run.folder, path, { fields: entry.fields, notes, before: entry })
  }
}

function unique(pins: readonly Pin[]): readonly Pin[] {
  const known = new Map(pins.map(({ project, version }) => [`${project}==${version}`, { project, version }]))
  return [...known.values()]
}
