import { failSaved } from '../../../src/client/fail-saved.ts'
import { inParallel } from '../../../src/client/in-parallel.ts'
import type { SaveRun } from '../../../src/client/runs.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { closureOf, type Closure } from '../closure/closure.ts'
import type { PathFacts } from '../closure/path-source.ts'
import { realisationJson, realisationPath } from '../realisation.ts'
import { printStorePath } from '../store-path.ts'
import { checkedFile, checkSaved, heldPath, type HeldPath } from './held.ts'
import { narFilePath, narinfoPath, savedNarinfo, type NarFile } from './nar-file.ts'
import type { SaveSource } from './save-source.ts'

export interface SaverOptions {
  readonly run: Pick<SaveRun, 'folder' | 'report'>
  readonly source: SaveSource
  /** Only the paths themselves, without what they refer to. */
  readonly rootsOnly: boolean
  /** Hash what is there already. */
  readonly verify: boolean
  /** Also the logs of the builds that made them. */
  readonly logs: boolean
}

/** Saves paths into one folder. */
export interface Saver {
  /**
   * Save some paths, by their base names, and all that they refer to. Each is reported once, however often it is named.
   *
   * @throws DepotError for what concerns everything that is still to come
   */
  save(roots: Iterable<string>): Promise<void>
  /** What was saved of a path, or was there. */
  saved(baseName: string): HeldPath | undefined
}

export function createSaver({ run, source, rootsOnly, verify, logs }: SaverOptions): Saver {
  const { folder, report } = run
  const held = new Map<string, HeldPath>()
  const failed = new Set<string>()
  const logged = new Set<string>()
  /** By their files: paths that have the same archive wait for each other. */
  const archives = new Map<string, Promise<NarFile>>()

  async function factsOf(baseName: string): Promise<PathFacts | undefined> {
    const known = held.get(baseName) ?? (await heldPath(folder, baseName, { verify }))
    if (known === undefined) {
      const facts = await source.facts(baseName)
      if (facts === undefined) throw new DepotError('NOT_FOUND', source.absent)
      return facts
    }
    if (!held.has(baseName)) {
      held.set(baseName, known)
      report.expect({ items: 1 })
      report.add({ item: printStorePath(baseName), result: 'there' })
    }
    return known.facts
  }

  function archiveOf(facts: PathFacts): Promise<NarFile> {
    const codec = source.codec(facts)
    const path = narFilePath(facts.narHash, codec)
    const before = archives.get(path)
    const archive = (async (): Promise<NarFile> => {
      const same = await before?.catch(() => undefined)
      // It was held to what is told of the other path: the size and the content address may differ.
      if (same !== undefined) await checkSaved(folder, facts, same)
      // An earlier run may have been stopped before it wrote the narinfo.
      const there = same ?? (await checkedFile(folder, facts, { path, codec }))
      return there ?? { path, codec, ...(await source.bring(facts, path)) }
    })()
    archives.set(path, archive)
    return archive
  }

  async function saveOne(facts: PathFacts, lacking: (baseName: string) => Promise<boolean>): Promise<void> {
    const others = rootsOnly ? [] : facts.references.filter((reference) => reference !== facts.baseName)
    for (const reference of others) if (failed.has(reference)) throw unsaved(reference)
    const file = await archiveOf(facts)
    for (const reference of others) if (await lacking(reference)) throw unsaved(reference)
    // The narinfo is the last: whoever finds it finds everything.
    for (const { output, known } of source.realisations(facts.baseName))
      await folder.write(realisationPath(output), realisationJson(output, known))
    await folder.write(narinfoPath(facts.baseName), savedNarinfo(facts, file))
    held.set(facts.baseName, { facts, file })
    report.add({ item: printStorePath(facts.baseName), result: 'done', sizeBytes: file.fileSizeBytes })
  }

  async function saveLogOf({ deriver }: PathFacts): Promise<void> {
    if (!logs || deriver === undefined || logged.has(deriver)) return
    logged.add(deriver)
    await saveLog(run, source, deriver).catch((error: unknown) => failSaved(report, `log/${deriver}`, error))
  }

  /** In the order of the closure: references are under way, or done, before what refers to them. */
  async function saveAll({ paths, missing }: Closure): Promise<void> {
    const outcomes = new Map(
      paths.map(({ baseName }, place) => [baseName, { place, ...Promise.withResolvers<boolean>() }]),
    )
    await inParallel(paths, LIMITS.downloadAtOnce, async (facts) => {
      const { baseName } = facts
      const place = outcomes.get(baseName)?.place ?? 0
      const lacking = async (reference: string): Promise<boolean> => {
        const outcome = outcomes.get(reference)
        // One that comes later refers back, which no honest path does: nobody may wait for it.
        if (missing.has(reference) || (outcome?.place ?? 0) > place) return true
        return !((await outcome?.promise) ?? held.has(reference))
      }
      try {
        if (!held.has(baseName) && !failed.has(baseName)) await saveOne(facts, lacking)
        await saveLogOf(facts)
      } catch (error) {
        failed.add(baseName)
        failSaved(report, printStorePath(baseName), error)
      } finally {
        outcomes.get(baseName)?.resolve(held.has(baseName))
      }
    })
  }

  return {
    saved: (baseName) => held.get(baseName),
    async save(roots) {
      const closure = await closureOf({ facts: factsOf }, roots, { rootsOnly })
      const isNew = (baseName: string): boolean => !held.has(baseName) && !failed.has(baseName)
      const fresh = closure.paths.filter(({ baseName }) => isNew(baseName)).length
      const missing = [...closure.missing].filter(([baseName]) => isNew(baseName))
      report.expect({ items: fresh + missing.length })
      for (const [baseName, error] of missing) {
        failed.add(baseName)
        failSaved(report, printStorePath(baseName), error)
      }
      await saveAll(closure)
    },
  }
}

function unsaved(reference: string): DepotError {
  return new DepotError('NOT_FOUND', `it refers to ${printStorePath(reference)}, which could not be saved`)
}

async function saveLog({ folder }: Pick<SaveRun, 'folder'>, source: SaveSource, derivation: string): Promise<void> {
  const path = `log/${derivation}`
  if ((await folder.find(path)) !== undefined) return
  const log = await source.log(derivation)
  if (log === undefined) return
  await using receiving = await folder.receive(path, [])
  await receiving.restart()
  let sizeBytes = 0
  for await (const bytes of log) {
    sizeBytes += bytes.byteLength
    if (sizeBytes > LIMITS.buildLogBytesMax)
      throw new DepotError('TOO_LARGE', `it has more than ${LIMITS.buildLogBytesMax} bytes`)
    await receiving.write(bytes)
  }
  await receiving.publish()
}
