import { readdir } from 'node:fs/promises'
import path from 'node:path'

import type { ServerProcess } from '../helpers/server-process.ts'
import type { Artifact, ArtifactMaker } from './artifacts.ts'

/** What clients sent, kept outside the server: only what was answered with 2xx counts as acknowledged. */
export type Journal = Map<Artifact, 'sent' | 'acknowledged'>

const READERS = 8

export function acknowledged(journal: Journal): number {
  return [...journal.values()].filter((state) => state === 'acknowledged').length
}

/** What is lost or wrong: an acknowledged artifact must be whole, one that was only sent may be absent too. */
export async function broken(server: Pick<ServerProcess, 'url'>, journal: Journal): Promise<string[]> {
  const queue = [...journal]
  const problems: string[] = []
  async function reader(): Promise<void> {
    for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
      const [artifact, state] = entry
      const found = await artifact.verify(server.url)
      if (found !== 'whole' && (found !== 'absent' || state === 'acknowledged'))
        problems.push(`${state} ${artifact.name}: ${found}`)
    }
  }
  await Promise.all(Array.from({ length: READERS }, reader))
  return problems
}

/** Push one artifact after another until the server is gone. Only what was answered with 2xx counts as acknowledged. */
export async function writeUntilGone(
  server: Pick<ServerProcess, 'url'>,
  next: () => ReturnType<ArtifactMaker['next']>,
  journal: Journal,
): Promise<void> {
  for (;;) {
    for (const artifact of await next()) {
      journal.set(artifact, 'sent')
      const status = await artifact.send(server.url).catch(() => 'gone')
      if (status === 'gone') return
      if (typeof status === 'string' || status < 200 || status > 299) throw new Error(`${artifact.name}: ${status}`)
      journal.set(artifact, 'acknowledged')
    }
  }
}

/** Files that uploads had begun; none may survive a start. */
export async function stagedFiles(dataDir: string): Promise<string[]> {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
  return files.filter((file) => path.basename(path.dirname(file)) === 'tmp')
}
