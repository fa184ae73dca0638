import { readdir } from 'node:fs/promises'
import path from 'node:path'

/** Names of all files that a depot keeps for blobs below its data folder: published ones and half-written ones. */
export async function storedFiles(dataDir: string): Promise<readonly string[]> {
  const entries = await readdir(path.join(dataDir, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}
