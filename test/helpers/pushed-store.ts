import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'

import { testStore, type AddedPath, type TestRow, type TestStore } from './local-store.ts'
import { runDepot, type Finished } from './run-depot.ts'
import type { World } from './world.ts'

/** A store whose paths are pushed. */
export interface PushedStore extends TestStore {
  /** A path of one file, by default of some bytes that nobody else has. */
  file(name: string, content?: Uint8Array | string, row?: Partial<TestRow>): Promise<AddedPath>
  /** So many paths, each referring to those before it: small ones, and some of a megabyte. Returns them, the one that needs all last. */
  closure(count: number): Promise<readonly AddedPath[]>
}

export async function pushedStore(): Promise<PushedStore> {
  const store = await testStore()
  const file: PushedStore['file'] = (name, content = randomBytes(1000), row = {}) =>
    store.add(name, (at) => writeFile(at, content), row)
  return {
    ...store,
    file,
    async closure(count) {
      const made: AddedPath[] = []
      for (let index = 0; index < count; index++) {
        const references = made.slice(-3).map(({ baseName }) => baseName)
        const content = randomBytes(index % 5 === 4 ? 1_000_000 : 500)
        made.push(await file(`part-${index}`, content, { references }))
      }
      return made
    },
  }
}

export function storePath({ baseName }: Pick<AddedPath, 'baseName'>): string {
  return `/nix/store/${baseName}`
}

/** Push paths of a store. */
export function pushFrom(store: Pick<TestStore, 'root'>, url: string, ...args: readonly string[]): Promise<Finished> {
  return runDepot(['nix', 'push', url, '--nix-store', store.root, ...args])
}

/** What a depot serves of a path: the archive, or undefined. */
export async function servedNar(world: Pick<World, 'fetch'>, { storeHash }: AddedPath): Promise<Buffer | undefined> {
  const narinfo = await world.fetch(`/nix/${storeHash}.narinfo`)
  const url = /^NarHash: sha256:(?<hash>\w+)$/m.exec(await narinfo.text())?.groups?.['hash']
  if (url === undefined) return undefined
  const nar = await world.fetch(`/nix/nar/${url}.nar`)
  return nar.ok ? Buffer.from(await nar.arrayBuffer()) : undefined
}
