import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

export interface TempDir extends AsyncDisposable {
  /** Absolute path of the directory. */
  readonly path: string
  /** A path below it. */
  join(...names: string[]): string
}

/** A fresh directory, removed with everything in it when disposed. */
export async function tempDir(label = 'test'): Promise<TempDir> {
  const directory = await mkdtemp(path.join(tmpdir(), `depot-${label}-`))
  return {
    path: directory,
    join: (...names) => path.join(directory, ...names),
    // Workers of a server that was killed may write for a moment longer, on a busy machine for some seconds.
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true, maxRetries: 20 }),
  }
}
