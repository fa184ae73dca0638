import { failSaved } from '../../../src/client/fail-saved.ts'
import type { SaveRun } from '../../../src/client/runs.ts'
import { DepotError } from '../../../src/errors.ts'
import { evaluate, flakeSources, realise, type Nix } from '../closure/evaluate.ts'
import { printStorePath } from '../store-path.ts'
import { prepareFolder } from './held.ts'
import { readDerivation } from './read-derivation.ts'
import { createSaver, type Saver } from './saver.ts'
import type { SaveSource } from './save-source.ts'

/** What is to be saved. */
export interface Wanted {
  /** Base names. */
  readonly storePaths: readonly string[]
  /** Store hashes of paths whose names are not known: what a cache was asked for. */
  readonly hashes: readonly string[]
  /** What Nix is asked for: `nixpkgs#hello`. */
  readonly installables: readonly string[]
  /** Also the derivations that they were built by, with all that those need to be read. */
  readonly derivations: boolean
  /** Also what is needed to build them once more: outputs of other derivations, and sources. */
  readonly buildDeps: boolean
  /** Also the sources of the flakes that are named, and of their inputs. */
  readonly flakeInputs: boolean
  /** What those refer to as well. */
  readonly closure: boolean
  readonly verify: boolean
  readonly logs: boolean
}

export interface NixSave {
  readonly run: SaveRun
  /** Called once Nix has evaluated, which makes a store where there was none. */
  readonly openSource: () => Promise<SaveSource>
  /** Only needed for installables, and for what is to be built. */
  readonly nix: Nix
  /** Everything comes from the local store, where Nix can build what is not there yet. */
  readonly isLocal: boolean
  readonly wanted: Wanted
}

/**
 * Save store paths into a folder that is a binary cache then. What could not be saved is reported.
 *
 * @throws DepotError for what ends it early
 */
export async function saveNix({ run, openSource, nix, isLocal, wanted }: NixSave): Promise<void> {
  await prepareFolder(run.folder)
  const { paths, derivations } = await evaluated({ run, nix, isLocal, wanted })
  const source = await openSource()
  await each(run, wanted.hashes, async (hash) => {
    const baseName = await source.named(hash)
    if (baseName === undefined) throw new DepotError('NOT_FOUND', source.absent)
    paths.add(baseName)
  })
  const { closure, verify, logs } = wanted
  const saver = createSaver({ run, source, rootsOnly: !closure, verify, logs })
  await saver.save(paths)
  if (!wanted.derivations && !wanted.buildDeps) return
  await each(run, wanted.storePaths.map(printStorePath), async (item) => {
    const derivation = derivationOf(saver, item)
    if (derivation !== undefined) derivations.add(derivation)
  })
  await saver.save(derivations)
  if (!wanted.buildDeps) return
  await each(run, [...derivations].map(printStorePath), async (item) => {
    await saver.save(await buildDeps({ run, source, nix, isLocal, saver }, nameIn(item)))
  })
}

interface EvaluatedPaths {
  readonly paths: Set<string>
  readonly derivations: Set<string>
}

/** What is named, as base names. */
async function evaluated({ run, nix, isLocal, wanted }: Omit<NixSave, 'openSource'>): Promise<EvaluatedPaths> {
  const paths = new Set(wanted.storePaths)
  const derivations = new Set<string>()
  await each(run, wanted.installables, async (installable) => {
    for (const { derivation, outputs } of await evaluate(nix, installable, { build: isLocal })) {
      if (outputs.length === 0)
        throw new DepotError('NOT_FOUND', 'what it makes is known only once it was built: save it without --from')
      for (const output of outputs) paths.add(output)
      if (derivation !== undefined) derivations.add(derivation)
    }
  })
  if (wanted.flakeInputs)
    await each(run, wanted.installables, async (flake) => {
      for (const path of await flakeSources(nix, flake)) paths.add(path)
    })
  return { paths, derivations }
}

/** What fails for one item is reported as its failure. */
async function each(
  { report }: SaveRun,
  items: Iterable<string>,
  work: (item: string) => Promise<void>,
): Promise<void> {
  for (const item of items) await work(item).catch((error: unknown) => failSaved(report, item, error))
}

/** By the whole path; nothing for what could not be saved, which was told. @throws DepotError `NOT_FOUND` when nobody knows */
function derivationOf(saver: Saver, item: string): string | undefined {
  const baseName = nameIn(item)
  if (baseName.endsWith('.drv')) return baseName
  const saved = saver.saved(baseName)
  if (saved === undefined || saved.facts.deriver !== undefined) return saved?.facts.deriver
  throw new DepotError('NOT_FOUND', 'it is not known which derivation it was built by: name the flake or the .drv')
}

/** The base name of a path. */
function nameIn(storePath: string): string {
  return storePath.slice(printStorePath('').length)
}

interface Building extends Pick<NixSave, 'run' | 'nix' | 'isLocal'> {
  readonly source: SaveSource
  readonly saver: Saver
}

/** What a derivation needs to be built once more: its sources, and the outputs of the derivations that it is built from. */
async function buildDeps({ run, source, nix, isLocal, saver }: Building, derivation: string): Promise<string[]> {
  const held = saver.saved(derivation)
  // Why was told.
  if (held === undefined) return []
  const { inputs, sources } = await readDerivation(run.folder, held)
  const needed = [...sources]
  for (const [input, names] of inputs) {
    const saved = saver.saved(input)
    if (saved === undefined) continue
    const { outputs } = await readDerivation(run.folder, saved)
    const paths = names.map((name) => outputs.get(name))
    const known = paths.filter((path) => path !== undefined)
    const there = known.length === names.length && (!isLocal || (await allThere(source, known)))
    needed.push(...(there || !isLocal ? known : await realise(nix, input)))
    if (!there && !isLocal)
      run.report.add({
        item: printStorePath(input),
        result: 'failed',
        reason: 'its outputs are known only once it was built',
      })
  }
  return needed
}

async function allThere(source: SaveSource, paths: readonly string[]): Promise<boolean> {
  for (const path of paths) if ((await source.facts(path)) === undefined) return false
  return true
}
