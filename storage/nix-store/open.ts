import { join } from 'node:path'

import type { LocalStore } from '../../src/local-store.ts'
import { storeDatabase } from './database.ts'
import { openLog } from './log.ts'
import { openTree } from './tree.ts'

/**
 * The Nix store below a root: `/` for the host's own, or that of a chroot store. Neither a daemon nor a lock is used: Nix may write, collect
 * garbage or put another database in place all the while.
 *
 * @throws DepotError `STORAGE_DOWN` when there is no database of a Nix store, or it may not be read
 */
export function openNixStore(root: string): LocalStore {
  const database = storeDatabase(join(root, 'nix/var/nix/db/db.sqlite'))
  const storeDir = join(root, 'nix/store')
  const logDir = join(root, 'nix/var/log/nix/drvs')
  // A slip of the finger shall show at the start.
  database.find('')
  return {
    find: (storeHash) => database.find(storeHash),
    tree: (baseName) => openTree(storeDir, baseName),
    log: (derivation) => openLog(logDir, derivation),
    realisation: (derivation, output) => database.realisation(derivation, output),
    realisationsOf: (path) => database.realisationsOf(path),
    async [Symbol.asyncDispose]() {
      database[Symbol.dispose]()
    },
  }
}
