import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { closureOf } from '../../../../protocols/nix/closure/closure.ts'
import { localPaths } from '../../../../protocols/nix/closure/local-source.ts'
import type { LocalStore } from '../../../../src/local-store.ts'
import { openNixStore } from '../../../../storage/nix-store/open.ts'
import { collect } from '../../../helpers/depot.ts'
import { testStore, type TestStore } from '../../../helpers/local-store.ts'

describe('the paths of the local store', () => {
  let folder: TestStore
  let store: LocalStore
  beforeAll(async () => {
    folder = await testStore()
    store = openNixStore(folder.root)
  })
  afterAll(async () => {
    await store[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  })

  it('are found with all that they refer to, and have the archives of their files', async () => {
    const low = await folder.add('low', (file) => writeFile(file, 'low'))
    const top = await folder.add(
      'top',
      async (file) => {
        await mkdir(file)
        await writeFile(path.join(file, 'data'), Buffer.alloc(300_000, 'top'))
      },
      { references: [low.baseName] },
    )
    const paths = localPaths(store)
    const closure = await closureOf(paths, [top.baseName])
    expect(closure.paths.map(({ baseName }) => baseName)).toEqual([low.baseName, top.baseName])
    const [, facts] = closure.paths
    expect(facts && (await collect(paths.nar(facts))).equals(top.nar)).toBe(true)
  })

  it('are not there under another name, or when they are not valid', async () => {
    const { storeHash } = await folder.add('named', (file) => writeFile(file, 'named'))
    expect(await localPaths(store).facts(`${storeHash}-other`)).toBeUndefined()
    expect(await localPaths(store).facts(`${'0'.repeat(32)}-none`)).toBeUndefined()
  })

  it('never end whole when their files are no longer what they were', async () => {
    const changed = await folder.add('changed', (file) => writeFile(file, 'before'))
    const facts = await localPaths(store).facts(changed.baseName)
    await writeFile(changed.file, 'later!')
    if (facts === undefined) throw new Error('it is there')
    await expect(collect(localPaths(store).nar(facts))).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' })
    folder.invalidate(changed.baseName)
    await expect(collect(localPaths(store).nar(facts))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
