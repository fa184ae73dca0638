import { readdir } from 'node:fs/promises'

/** Names of all files in a data folder that are not the database: published blobs and half-written ones. */
export async function storedFiles(dataDir: string): Promise<readonly string[]> {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile() && !entry.name.startsWith('depot.db')).map(({ name }) => name)
}
