import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { bundledFiles } from '../../../src/bundle/bundled-files.ts'
import type { SavedFiles } from '../../../src/client/saved-files.ts'
import { manifestOfTree, type Tree } from '../../helpers/bundles.ts'

async function pathsOf(files: SavedFiles, folder?: string): Promise<string[]> {
  return (await Array.fromAsync(files.list(folder))).map(({ path }) => path)
}

function filesOf(tree: Tree, absent: readonly string[] = []): SavedFiles {
  const files = manifestOfTree(tree).files.map((file) => ({ ...file, carried: !absent.includes(file.path) }))
  return bundledFiles(files, async ({ path }) => new Blob([tree[path] ?? '']))
}

describe('the files of a bundle', () => {
  it('are listed as those of a folder are: at or below, in the order of their bytes', async () => {
    const name = fc.constantFrom('a', 'a-b', 'ab', 'b', 'é', '\u{1F600}', '\uFF5E')
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => ['npm', ...names].join('/'))
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(path), path, async (paths, folder) => {
        const files = filesOf(Object.fromEntries(paths.map((at) => [at, at])))
        const sorted = paths.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
        expect(await pathsOf(files)).toEqual(sorted)
        const below = sorted.filter((at) => at === folder || at.startsWith(`${folder}/`))
        expect((await pathsOf(files, folder)).toSorted()).toEqual(below.toSorted())
      }),
    )
  })

  it('have their bytes', async () => {
    const file = await filesOf({ 'npm/a': 'content' }).find('npm/a')
    expect([file?.sizeBytes, await (await file?.blob())?.text()]).toEqual([7, 'content'])
    expect(await filesOf({ 'npm/a': '' }).find('npm/b')).toBeUndefined()
  })

  it('are without those that the bundle only lists, and without what lies beside these', async () => {
    const tree = { 'python/a/a-1.0.tar.gz': '1', 'python/a/a-1.0.tar.gz.json': '2', 'python/a/a-1.1.tar.gz': '3' }
    const files = filesOf(tree, ['python/a/a-1.0.tar.gz'])
    expect(await pathsOf(files)).toEqual(['python/a/a-1.1.tar.gz'])
    expect(await files.find('python/a/a-1.0.tar.gz.json')).toBeUndefined()
  })
})
