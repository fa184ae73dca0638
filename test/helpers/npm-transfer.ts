import { readFile, writeFile } from 'node:fs/promises'

import { json, startNpmWorld } from './npm-world.ts'
import { runDepot, type Finished } from './run-depot.ts'
import { tempDir, type TempDir } from './temp-dir.ts'
import type { World } from './world.ts'

/** A folder, a depot, and a command that brings packages from the one into the other. */
export interface NpmTransfer extends AsyncDisposable {
  readonly folder: TempDir
  readonly world: World
  run(...flags: readonly string[]): Promise<Finished>
  packument(name: string): Promise<Record<string, unknown>>
  /** What the audit log says was changed. */
  audited(): Promise<string[]>
}

/** @param command the arguments of the command, for a folder and the URL of a depot */
export async function npmTransfer(command: (folder: string, url: string) => readonly string[]): Promise<NpmTransfer> {
  await using made = new AsyncDisposableStack()
  const folder = made.use(await tempDir('transfer'))
  const world = made.use(await startNpmWorld())
  const owned = made.move()
  return {
    folder,
    world,
    run: (...flags) => runDepot([...command(folder.path, world.url), ...flags]),
    packument: async (name) => json(await world.fetch(`/npm/${name}`)),
    audited: async () => (await world.depot.kv.audit(0, 10_000)).map(({ resource }) => resource),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Change what a package.json or metadata.json says. */
export async function editDocument(
  file: string,
  change: (document: Record<string, Record<string, unknown>>) => void,
): Promise<void> {
  const document = JSON.parse(await readFile(file, 'utf8')) as Record<string, Record<string, unknown>>
  change(document)
  await writeFile(file, JSON.stringify(document))
}
