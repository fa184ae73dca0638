import { readdir } from 'node:fs/promises'
import path from 'node:path'

import { DepotError } from '../errors.ts'
import { systemCode } from '../thrown.ts'

/**
 * Refuse a folder with something that whoever lists its files would pass over in silence: links, pipes, and names that are no text.
 * Names that begin with a dot are nobody's business.
 *
 * @throws DepotError `INVALID_NAME` naming the first of them
 */
export async function requireOnlyFiles(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' }).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  })
  for (const entry of entries) {
    const name = entry.name.toString()
    if (name.startsWith('.')) continue
    const place = path.join(folder, name)
    if (!Buffer.from(name).equals(entry.name)) throw strange(place, 'has a name that is not UTF-8')
    if (entry.isDirectory()) await requireOnlyFiles(place)
    else if (!entry.isFile()) throw strange(place, entry.isSymbolicLink() ? 'is a link' : 'is neither file nor folder')
  }
}

function strange(place: string, what: string): DepotError {
  return new DepotError(
    'INVALID_NAME',
    `${JSON.stringify(place)} ${what}, which no bundle carries: put the file itself there, or remove it`,
  )
}
