import type { SavedFile, SavedFiles } from '../../../src/client/saved-files.ts'
import type { Distribution } from '../filename.ts'
import { recognise } from '../wheelhouse.ts'

/** A distribution in a saved folder, with what lies beside it. */
export interface SavedDistribution {
  readonly file: SavedFile
  readonly distribution: Distribution
  /** What its index said of it. */
  readonly entry: SavedFile | undefined
  readonly provenance: SavedFile | undefined
}

/** A file of the folder that is not sent, and why. */
export interface LeftOut {
  readonly path: string
  readonly reason: string
}

/** What lies beside a distribution. The metadata of wheels is in them, and no depot takes it from anywhere else. */
const BESIDE = ['.json', '.metadata', '.provenance'] as const

/**
 * Everything in a saved folder, by path. Which project a file belongs to, its name says: a folder may be called as somebody typed it.
 */
export async function* savedDistributions(files: SavedFiles): AsyncGenerator<SavedDistribution | LeftOut> {
  // Sorted by path, what lies beside a file comes behind it, with other files between them.
  let folder: SavedFile[] = []
  for await (const file of files.list()) {
    const [first] = folder
    if (first !== undefined && parentOf(first.path) !== parentOf(file.path)) {
      yield* inFolder(folder)
      folder = []
    }
    folder.push(file)
  }
  yield* inFolder(folder)
}

function* inFolder(folder: readonly SavedFile[]): Generator<SavedDistribution | LeftOut> {
  const byPath = new Map(folder.map((file) => [file.path, file]))
  for (const file of folder) {
    const suffix = BESIDE.find((one) => file.path.endsWith(one))
    if (suffix !== undefined) {
      const of = file.path.slice(0, -suffix.length)
      if (!byPath.has(of) && !isOurs(file.path))
        yield { path: file.path, reason: `there is no ${nameOf(of)} beside it` }
      continue
    }
    const found = recognise(nameOf(file.path))
    if ('reason' in found) yield { path: file.path, reason: found.reason }
    else
      yield {
        file,
        distribution: found.distribution,
        entry: byPath.get(`${file.path}.json`),
        provenance: byPath.get(`${file.path}.provenance`),
      }
  }
}

/** What is known of a project as a whole. */
function isOurs(path: string): boolean {
  return nameOf(path) === 'project.json'
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0))
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
