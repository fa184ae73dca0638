import type { SaveRun } from '../../../src/client/runs.ts'
import { decodeAs } from '../../../src/codec/decode.ts'
import { writeZstd } from '../../../src/codec/zstd-writer.ts'
import type { LocalStore } from '../../../src/local-store.ts'
import { localPaths, localRealisations } from '../closure/local-source.ts'
import { findLocal } from '../local-path.ts'
import type { BroughtFile, SaveSource } from './save-source.ts'

/** The valid paths of a store of this machine. Their archives are compressed as zstd; signatures that the store has are kept. */
export function localSaveSource({ folder, report }: Pick<SaveRun, 'folder' | 'report'>, store: LocalStore): SaveSource {
  const paths = localPaths(store)
  return {
    facts: (baseName) => paths.facts(baseName),
    named: async (hash) => findLocal(store, hash)?.entry.baseName,
    absent: 'it is not in the local store: nix-store --realise fetches or builds it, --from URL takes it from a cache',
    codec: () => 'zstd',
    async bring(facts, path): Promise<BroughtFile> {
      await using receiving = await folder.receive(path, ['sha256'])
      await receiving.restart()
      try {
        for await (const bytes of writeZstd(paths.nar(facts))) {
          await receiving.write(bytes)
          report.moved(bytes.byteLength)
        }
      } catch (error) {
        await receiving.restart()
        throw error
      }
      await receiving.publish()
      return { fileHash: receiving.hashes().sha256 ?? '', fileSizeBytes: receiving.sizeBytes }
    },
    async log(derivation) {
      const found = store.log(derivation)
      if (found === undefined) return undefined
      return found.coding === 'bzip2' ? decodeAs('bzip2', found.bytes) : found.bytes
    },
    realisations: (baseName) => localRealisations(store, baseName),
  }
}
