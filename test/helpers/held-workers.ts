import { rmSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import path from 'node:path'

import { tempDir } from './temp-dir.ts'

/** Has workers of a server stand still as soon as they are born: a test that stops them itself may come when they serve already. */
export interface HeldWorkers extends AsyncDisposable {
  /** For the process that starts them. */
  readonly env: Readonly<Record<string, string>>
  /** Those that are born from now on stand still. */
  hold(): void
  /** Let this one go on, or all of them and all that come. */
  release(pid?: number): void
}

const FIXTURE = pathToFileURL(path.join(import.meta.dirname, '..', 'fixtures', 'held-worker.ts')).href

export async function heldWorkers(): Promise<HeldWorkers> {
  const dir = await tempDir('held')
  return {
    env: { NODE_OPTIONS: `--import=${FIXTURE}`, HELD_WORKERS: dir.path },
    hold: () => writeFileSync(dir.join('held'), ''),
    release: (pid) => (pid === undefined ? rmSync(dir.join('held')) : writeFileSync(dir.join(String(pid)), '')),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  }
}
