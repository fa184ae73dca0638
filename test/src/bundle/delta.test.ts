import { describe, expect, it } from 'vitest'

import { findClash } from '../../../src/bundle/clashes.ts'
import { hasBlobsOf, hasFilesOf, INVENTORY_FORMAT, readInventory } from '../../../src/bundle/delta.ts'
import { isMetadata, rank } from '../../../src/bundle/order.ts'
import { manifestOfTree } from '../../helpers/bundles.ts'

const [A, B, C] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string]

async function inventory(text: string, wanted: readonly string[] = [A, B, C], pieceBytes = 7): Promise<string[]> {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < text.length; at += pieceBytes) yield Buffer.from(text.slice(at, at + pieceBytes))
  }
  return [...(await readInventory(pieces(), new Set(wanted)))]
}

describe('a delta', () => {
  it('leaves out what the base has at the same path with the same bytes', () => {
    const base = manifestOfTree({ 'npm/a/a-1.0.0.tgz': 'one', 'npm/a/metadata.json': 'old' })
    const has = hasFilesOf(base)
    const now = manifestOfTree({ 'npm/a/a-1.0.0.tgz': 'one', 'npm/a/metadata.json': 'new', 'npm/b/b-1.0.0.tgz': 'one' })
    expect(now.files.map(has)).toEqual([true, false, false])
  })

  it('leaves out blobs that a depot holds, by what is inside, and never metadata', () => {
    const has = hasBlobsOf(new Set([A, B]))
    const file = { sha256: A, sizeBytes: 1 }
    expect(has({ ...file, path: 'npm/a/a-1.0.0.tgz' })).toBe(true)
    expect(has({ ...file, path: 'npm/a/metadata.json' })).toBe(false)
    expect(has({ ...file, path: 'python/a/a-1.0.tar.gz.metadata' })).toBe(false)
    expect(has({ ...file, path: 'nix/nar/x.nar.xz', content: B })).toBe(true)
    expect(has({ ...file, path: 'nix/nar/x.nar.xz', content: C })).toBe(false)
  })
})

describe('an inventory', () => {
  it('is read piece by piece, and only what is wanted is kept', async () => {
    const text = `${INVENTORY_FORMAT}\n${A}\n${B}\n${C}\n`
    expect(await inventory(text)).toEqual([A, B, C])
    expect(await inventory(text, [B], 1000)).toEqual([B])
    expect(await inventory(`${INVENTORY_FORMAT}\n`)).toEqual([])
  })

  it.each([
    ['', 'nothing'],
    [`${A}\n`, 'no first line'],
    [`${INVENTORY_FORMAT}\n${B}\n${A}\n`, 'falling digests'],
    [`${INVENTORY_FORMAT}\n${A}\n${A}\n`, 'a digest twice'],
    [`${INVENTORY_FORMAT}\n${A}`, 'an end inside a line'],
    [`${INVENTORY_FORMAT}\n${A.toUpperCase()}\n`, 'capitals'],
    [`${INVENTORY_FORMAT}\n\n`, 'an empty line'],
    ['x'.repeat(1000), 'a line without an end'],
  ])('is refused when it is %j: %s', async (text) => {
    await expect(inventory(text)).rejects.toThrow('not a whole inventory')
  })
})

describe('the order in which files become visible', () => {
  it('has archives first, then what lies beside them, then what names them', () => {
    const paths = [
      'npm/a/metadata.json',
      'python/a/a-1.0-py3-none-any.whl.json',
      'nix/x.narinfo',
      'nix/realisations/sha256:x!out.doi',
      'npm/a/a-1.0.0.attestations.json',
      'npm/-/keys.json',
      'python/a/a-1.0-py3-none-any.whl.metadata',
      'python/a/a-1.0.tar.gz.provenance',
      'nix/nix-cache-info',
      'npm/a/a-1.0.0.tgz',
      'python/a/a-1.0.tar.gz',
      'nix/nar/x.nar.xz',
      'nix/log/x.drv',
    ]
    expect(paths.map(rank)).toEqual([2, 2, 2, 2, 1, 1, 1, 1, 1, 0, 0, 0, 0])
    expect(paths.filter((path) => !isMetadata(path)).length).toBe(4)
  })
})

describe('names that some disks take for one', () => {
  it('are found in files and in folders', () => {
    expect(findClash(['npm/JSONStream/metadata.json', 'npm/jsonstream/metadata.json'])).toEqual([
      'npm/JSONStream',
      'npm/jsonstream',
    ])
    expect(findClash(['npm/é', 'npm/e\u0301'])).toEqual(['npm/é', 'npm/e\u0301'])
    expect(findClash(['npm/a/b', 'npm/a/c', 'npm/b/b'])).toBeUndefined()
  })
})
