import { savedText, type SavedFile, type SavedFiles } from '../../../src/client/saved-files.ts'
import { decodeAs } from '../../../src/codec/decode.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { narinfoFacts } from '../closure/narinfo-facts.ts'
import type { PathFacts } from '../closure/path-source.ts'
import { verifiedNar } from '../closure/verified-nar.ts'
import { parseNarinfo, type Narinfo } from '../narinfo.ts'
import { codecNamed, narFilePath } from '../save/nar-file.ts'
import { STORE_HASH_CLASS } from '../store-path.ts'
import type { PushSource } from './push-source.ts'

/** A binary cache in a folder, as `depot nix save` and `nix copy --to file://…` write it. */
export interface SavedPaths extends PushSource {
  /** Base names of all that is there. */
  readonly names: readonly string[]
  /** Files that are no narinfos although they are called so, with why. */
  readonly broken: ReadonlyMap<string, DepotError>
}

/** Read all narinfos of a folder. What they tell is believed; archives are verified when they are read. */
export async function savedPaths(files: SavedFiles): Promise<SavedPaths> {
  const { narinfos, broken } = await readNarinfos(files)

  async function fileOf({ baseName }: PathFacts): Promise<{ readonly narinfo: Narinfo; readonly file: SavedFile }> {
    const narinfo = narinfos.get(baseName)
    const file = narinfo && (await files.find(narinfo.url))
    if (narinfo === undefined || file === undefined)
      throw new DepotError('NOT_FOUND', `its archive ${narinfo?.url ?? ''} is not in the folder: save it again`)
    return { narinfo, file }
  }

  return {
    names: [...narinfos.keys()],
    broken,
    facts: async (baseName) => {
      const narinfo = narinfos.get(baseName)
      return narinfo && narinfoFacts(narinfo)
    },
    async *nar(facts) {
      const { narinfo, file } = await fileOf(facts)
      const codec = codecNamed(narinfo.compression)
      if (codec === undefined) throw new DepotError('UNSUPPORTED_CODEC', `nobody reads '${narinfo.compression}' here`)
      const bytes = (await file.blob()).stream()
      yield* verifiedNar(facts, codec === 'none' ? bytes : decodeAs(codec, bytes))
    },
    async packed(facts) {
      const { narinfo, file } = await fileOf(facts)
      const codec = codecNamed(narinfo.compression)
      return codec && { path: narFilePath(facts.narHash, codec), blob: file.blob }
    },
  }
}

const NARINFO = new RegExp(`^(?<hash>${STORE_HASH_CLASS})\\.narinfo$`)

async function readNarinfos(files: SavedFiles): Promise<{
  readonly narinfos: ReadonlyMap<string, Narinfo>
  readonly broken: ReadonlyMap<string, DepotError>
}> {
  const narinfos = new Map<string, Narinfo>()
  const broken = new Map<string, DepotError>()
  for await (const file of files.list()) {
    const hash = NARINFO.exec(file.path)?.groups?.['hash']
    if (hash === undefined) continue
    try {
      const narinfo = parseNarinfo(await savedText(file, LIMITS.narinfoBytesMax))
      if (narinfo.storePath.hash !== hash) throw new DepotError('CONTENT_MISMATCH', 'it is about another path')
      narinfos.set(narinfo.storePath.baseName, narinfo)
    } catch (error) {
      if (!(error instanceof DepotError)) throw error
      broken.set(file.path, error)
    }
  }
  return { narinfos, broken }
}
