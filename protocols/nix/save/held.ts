import { savedText, type SavedFolder } from '../../../src/client/saved-files.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { narinfoFacts } from '../closure/narinfo-facts.ts'
import type { PathFacts } from '../closure/path-source.ts'
import { parseNarinfo } from '../narinfo.ts'
import { parseBaseName, STORE_DIR } from '../store-path.ts'
import { checkStoreDir } from './cache-save-source.ts'
import { checkNar } from './check-nar.ts'
import { codecNamed, isArchivePath, narinfoPath, type NarFile } from './nar-file.ts'

/** A path that a folder has, whole. */
export interface HeldPath {
  readonly facts: PathFacts
  readonly file: NarFile
}

/**
 * What a folder has of a path. Its narinfo was written last, so that what it names is there; that it is still there, and of its size, is
 * looked at.
 *
 * @param options `verify`: the whole archive is hashed
 * @returns undefined when anything of it is missing or is not right
 */
export async function heldPath(
  folder: SavedFolder,
  baseName: string,
  { verify }: { readonly verify: boolean },
): Promise<HeldPath | undefined> {
  const held = await readHeld(folder, baseName)
  if (held === undefined) return undefined
  const { path, fileSizeBytes } = held.file
  const there = await folder.find(path)
  if (there?.sizeBytes !== fileSizeBytes) return undefined
  return !verify || (await isRight(folder, held)) ? held : undefined
}

async function readHeld(folder: SavedFolder, baseName: string): Promise<HeldPath | undefined> {
  const saved = await folder.find(narinfoPath(baseName))
  if (saved === undefined || parseBaseName(baseName) === undefined) return undefined
  try {
    const narinfo = parseNarinfo(await savedText(saved, LIMITS.narinfoBytesMax))
    const { storePath, url, compression, fileHash, fileSizeBytes } = narinfo
    const codec = codecNamed(compression)
    if (storePath.baseName !== baseName || codec === undefined || !isArchivePath(url)) return undefined
    if (fileHash === undefined || fileSizeBytes === undefined) return undefined
    return { facts: narinfoFacts(narinfo), file: { path: url, codec, fileHash, fileSizeBytes } }
  } catch (error) {
    if (error instanceof DepotError) return undefined
    throw error
  }
}

/** Whether a file of the folder is what a narinfo says, to its last byte. */
async function isRight(folder: SavedFolder, { facts, file }: HeldPath): Promise<boolean> {
  const found = await checkedFile(folder, facts, file)
  return found?.fileHash === file.fileHash
}

/** A file of the folder, hashed, when it holds the archive of this path; undefined when it does not, or is not there. */
export async function checkedFile(
  folder: SavedFolder,
  facts: PathFacts,
  { path, codec }: Pick<NarFile, 'path' | 'codec'>,
): Promise<NarFile | undefined> {
  const saved = await folder.find(path)
  if (saved === undefined) return undefined
  try {
    await checkSaved(folder, facts, { path, codec })
    const { sha256 = '' } = await folder.hash(path, ['sha256'])
    return { path, codec, fileHash: sha256, fileSizeBytes: saved.sizeBytes }
  } catch (error) {
    if (error instanceof DepotError) return undefined
    throw error
  }
}

/** Hold an archive of the folder to what is told of a path. @throws DepotError `CONTENT_MISMATCH`, `NOT_FOUND` */
export async function checkSaved(
  folder: SavedFolder,
  facts: PathFacts,
  { path, codec }: Pick<NarFile, 'path' | 'codec'>,
): Promise<void> {
  const blob = await (await folder.find(path))?.blob()
  if (blob === undefined) throw new DepotError('NOT_FOUND', `${path} is no longer in the folder`)
  await checkNar(facts, codec, () => blob.stream())
}

/**
 * Make the folder a binary cache, if it is none yet.
 *
 * @throws DepotError `BAD_REQUEST` when it is one of another store
 */
export async function prepareFolder(folder: SavedFolder): Promise<void> {
  const saved = await folder.find(CACHE_INFO)
  if (saved === undefined) return folder.write(CACHE_INFO, `StoreDir: ${STORE_DIR}\nWantMassQuery: 1\nPriority: 30\n`)
  checkStoreDir(await savedText(saved, LIMITS.narinfoBytesMax), 'the folder')
}

const CACHE_INFO = 'nix-cache-info'
