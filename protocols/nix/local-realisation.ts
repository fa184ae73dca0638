import type { LocalStore } from '../../src/local-store.ts'
import { findLocal } from './local-path.ts'
import { parseLocalRealisation, type OutputId, type Realisation } from './realisation.ts'
import { hashOf } from './store-path.ts'

/** What the local store says that an output is, when the path of that can be had from it. */
export function findLocalRealisation(store: LocalStore | undefined, output: OutputId): Realisation | undefined {
  const row = store?.realisation(...nameOf(output))
  const found = row && parseLocalRealisation(row)
  return found && findLocal(store, hashOf(found.outPath)) && found
}

function nameOf(id: OutputId): [derivation: string, output: string] {
  if (id.form === 'derivation') return [id.derivation, id.output]
  const mark = id.id.indexOf('!')
  return [id.id.slice(0, mark), id.id.slice(mark + 1)]
}
