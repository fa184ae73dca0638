import type { SavedFile, SavedFiles } from '../client/saved-files.ts'
import type { BundledBlob } from './layout.ts'
import type { BundledFile } from './manifest.ts'

/**
 * What a bundle carries, as if it had been unpacked. What it only lists is not there, nor what lies beside that: whoever needs it
 * asks the depot.
 *
 * @param read gives the bytes of a file; they were not verified, or may have changed since
 */
export function bundledFiles(
  files: readonly BundledFile[],
  read: (file: BundledBlob & { readonly path: string }) => Promise<Blob>,
): SavedFiles {
  const absent = new Set(files.filter((file) => !file.carried).map(({ path }) => path))
  const here = files.filter((file) => file.carried && !liesBeside(file.path, absent))
  const carried = new Map(here.map((file) => [file.path, file]))
  const saved = (file: BundledFile): SavedFile => ({
    path: file.path,
    sizeBytes: file.sizeBytes,
    blob: () => read(file),
  })
  const sorted = [...carried.values()]
  return {
    async *list(folder) {
      const itself = folder === undefined ? undefined : carried.get(folder)
      if (itself !== undefined) yield saved(itself)
      const start = folder === undefined ? '' : `${folder}/`
      for (let at = firstFrom(sorted, start); sorted[at]?.path.startsWith(start) === true; at++) {
        const file = sorted[at]
        if (file !== undefined) yield saved(file)
      }
    },
    async find(path) {
      const file = carried.get(path)
      return file && saved(file)
    },
  }
}

/** Whether its name is another's with more behind it: `greeting-1.0.tar.gz.metadata`. */
function liesBeside(path: string, others: ReadonlySet<string>): boolean {
  for (let at = path.lastIndexOf('.'); at > path.lastIndexOf('/'); at = path.lastIndexOf('.', at - 1))
    if (others.has(path.slice(0, at))) return true
  return false
}

/** The place of the first path that is not before `start`, in the order of their UTF-8 bytes. */
function firstFrom(sorted: readonly BundledFile[], start: string): number {
  const wanted = Buffer.from(start)
  let [from, to] = [0, sorted.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (Buffer.compare(Buffer.from(sorted[middle]?.path ?? ''), wanted) < 0) from = middle + 1
    else to = middle
  }
  return from
}
