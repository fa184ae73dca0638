import { runDepot, type Finished } from './run-depot.ts'
import { tempDir, type TempDir } from './temp-dir.ts'
import { startWorld, type World, type WorldOptions } from './world.ts'

/** A folder, a depot, and a command that brings distributions from the one into the other. */
export interface PythonTransfer extends AsyncDisposable {
  readonly folder: TempDir
  readonly world: World
  run(...flags: readonly string[]): Promise<Finished>
  /** What the index says of each file of a project; nothing, where it has none. */
  files(project: string): Promise<readonly Record<string, unknown>[]>
  /** What the audit log says was changed. */
  audited(): Promise<string[]>
}

/** @param command the arguments of the command, for a folder and the URL of a depot */
export async function pythonTransfer(
  command: (folder: string, url: string) => readonly string[],
  options: WorldOptions = {},
): Promise<PythonTransfer> {
  await using made = new AsyncDisposableStack()
  const folder = made.use(await tempDir('transfer'))
  const world = made.use(await startWorld(options))
  const owned = made.move()
  return {
    folder,
    world,
    run: (...flags) => runDepot([...command(folder.path, world.url), ...flags]),
    async files(project) {
      const headers = { Accept: 'application/vnd.pypi.simple.v1+json' }
      const response = await world.fetch(`/python/simple/${project}/`, { headers })
      if (response.status === 404) return []
      return ((await response.json()) as { files: Record<string, unknown>[] }).files
    },
    audited: async () => (await world.depot.kv.audit(0, 10_000)).map(({ resource }) => resource),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
