import { LIMITS } from '../../src/limits.ts'
import { brokenArchive } from './archive-error.ts'
import { normalizeProjectName } from './project-name.ts'
import type { ByteSource } from './byte-source.ts'
import { entriesNamed, readZipDirectory, readZipEntry, type ZipEntry } from './zip.ts'

const METADATA = /^[^/]+\.dist-info\/METADATA$/

/**
 * The METADATA file of a wheel, byte for byte: what an index serves as `<wheel>.metadata` (PEP 658). Only the archive's
 * directory and this one entry are read.
 *
 * @throws DepotError `CONTENT_MISMATCH` (400) when the file is no zip archive, or has no such entry, several, or one of another project
 */
export async function readWheelMetadata(source: ByteSource, project: string): Promise<Uint8Array> {
  const entries = await readZipDirectory(source)
  const entry = await onlyMetadata(entries)
  // pip holds the folder against the name that it looked for, and does not install another one's.
  if (!normalizeProjectName(entry.name).startsWith(`${project}-`))
    throw brokenArchive(`the wheel has the .dist-info of another project than the file name, which is for ${project}`)
  return readZipEntry(source, entry, LIMITS.packageMetadataBytesMax)
}

async function onlyMetadata(entries: readonly ZipEntry[]): Promise<ZipEntry> {
  const [entry, second] = await entriesNamed(entries, (name) => METADATA.test(name))
  if (entry === undefined) throw brokenArchive('the wheel has no .dist-info/METADATA')
  if (second !== undefined) throw brokenArchive('the wheel has more than one .dist-info/METADATA')
  return entry
}
