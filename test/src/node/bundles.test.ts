import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { findFaults } from '../../../src/bundle/verify.ts'
import { digestManifest } from '../../../src/bundle/write-tar.ts'
import type { Outcome, Report } from '../../../src/client/report.ts'
import { manifestOf } from '../../../src/bundle/delta.ts'
import { savedPieces, lockSaved, hashSaved } from '../../../src/node/hash-saved.ts'
import { writeBundleFile, writeBundleFolder } from '../../../src/node/write-bundle.ts'
import { importBundle } from '../../../src/node/import-bundle.ts'
import { openBundle } from '../../../src/node/open-bundle.ts'
import { openSavedFolder } from '../../../src/node/saved-folder.ts'
import { openVolumes, volumeName } from '../../../src/node/volumes.ts'
import { writeVolumes } from '../../../src/node/write-volumes.ts'
import { readTree, writeTree, type Tree } from '../../helpers/bundles.ts'
import { tempDir, type TempDir } from '../../helpers/temp-dir.ts'

const ECOSYSTEMS = ['nix', 'npm', 'python']
const names = fc.constantFrom(
  'a',
  'A',
  'JSONStream',
  'jsonstream',
  'metadata.json',
  'x.whl',
  'x.whl.json',
  'é',
  'e\u0301',
  '@s',
)
const paths = fc
  .tuple(fc.constantFrom(...ECOSYSTEMS), fc.array(names, { minLength: 1, maxLength: 3 }))
  .map(([ecosystem, rest]) => [ecosystem, ...rest].join('/'))
const contents = fc.oneof(fc.uint8Array({ maxLength: 2000 }), fc.constantFrom('', 'same', '{}'))
const trees = fc
  .dictionary(paths, contents, { minKeys: 1, maxKeys: 12 })
  .filter((tree) => Object.keys(tree).every((one) => !Object.keys(tree).some((other) => other.startsWith(`${one}/`))))
const forms = fc.record({
  folder: fc.boolean(),
  volumeBytes: fc.option(fc.integer({ min: 1000, max: 20_000 }), { nil: undefined }),
  level: fc.option(fc.constant(1), { nil: undefined }),
})
type Form = typeof forms extends fc.Arbitrary<infer T> ? T : never

interface Told extends Report {
  readonly outcomes: readonly Outcome[]
}

function told(): Told {
  const outcomes: Outcome[] = []
  return { outcomes, add: (outcome) => void outcomes.push(outcome), expect: () => {}, moved: () => {} }
}

/** Make a bundle of what is in `saved`, and return where it is. */
async function made(dir: TempDir, { folder, volumeBytes, level }: Form): Promise<string> {
  const source = { root: dir.join('saved'), ecosystems: ECOSYSTEMS, contentOf: () => undefined, moved: () => {} }
  const manifest = manifestOf(await hashSaved(source), { created: '2026-01-31T12:00:00Z' })
  const pieces = savedPieces(source.root, manifest)
  const bundle = { manifest, digests: digestManifest(manifest), signature: undefined, pieces }
  const place = dir.join('bundle')
  if (folder) {
    await writeBundleFolder(place, bundle, () => {})
    return place
  }
  await using file = await writeVolumes(place, volumeBytes)
  await writeBundleFile(file.write, bundle, level)
  await file.finish()
  return place
}

async function imported(place: string, root: string): Promise<readonly Outcome[]> {
  await using bundle = await openBundle(place, () => {
    throw new Error('standard input was not named')
  })
  const report = told()
  await importBundle({ bundle, root, ecosystems: ECOSYSTEMS, report })
  return report.outcomes
}

describe('a bundle on the disk', () => {
  it(
    'brings every tree of files back as it was, in every form, and again without writing anything',
    { timeout: 120_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(trees, forms, async (tree: Tree, form) => {
          await using dir = await tempDir('bundles')
          await writeTree(dir.join('saved'), tree)
          const place = await made(dir, form)
          const first = await imported(place, dir.join('out'))
          expect(await readTree(dir.join('out'))).toEqual(await readTree(dir.join('saved')))
          expect(first.every(({ result }) => result === 'done')).toBe(true)
          const again = await imported(place, dir.join('out'))
          expect(again.every(({ result }) => result === 'there')).toBe(true)
          expect(again.length).toBe(Object.keys(tree).length)
        }),
        { numRuns: 40 },
      )
    },
  )

  it('gives its blobs by place, also across volumes', async () => {
    await using dir = await tempDir('bundles')
    const content = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251))
    await writeTree(dir.join('saved'), { 'npm/a/a-1.0.0.tgz': content })
    const place = await made(dir, { folder: false, volumeBytes: 1000, level: undefined })
    await using bundle = await openBundle(place, () => {
      throw new Error('standard input was not named')
    })
    const [file] = bundle.manifest.files
    const blob = file && (await bundle.stored?.blob(file))
    expect(Buffer.from((await blob?.arrayBuffer()) ?? new ArrayBuffer()).equals(content)).toBe(true)
    const volumes = await openVolumes(place)
    const bytes = await volumes?.blob(990, 2010)
    const pieces = await Array.fromAsync(volumes?.pieces(990, 2010) ?? [], (piece) => Buffer.from(piece))
    expect(Buffer.from((await bytes?.arrayBuffer()) ?? new ArrayBuffer()).equals(Buffer.concat(pieces))).toBe(true)
  })

  it.each([
    ['small ones of a file', { folder: false, volumeBytes: undefined, level: undefined }, 5000],
    ['small ones of volumes', { folder: false, volumeBytes: 1000, level: undefined }, 5000],
    ['small ones of a folder', { folder: true, volumeBytes: undefined, level: undefined }, 5000],
    ['large ones of a file', { folder: false, volumeBytes: undefined, level: undefined }, 3_000_000],
    ['large ones of a folder', { folder: true, volumeBytes: undefined, level: undefined }, 3_000_000],
  ])('gives no blobs that were swapped behind its back: %s', async (_what, form, sizeBytes) => {
    await using dir = await tempDir('bundles')
    await writeTree(dir.join('saved'), { 'npm/a/a-1.0.0.tgz': Buffer.alloc(sizeBytes, 'a') })
    const place = await made(dir, form)
    await using bundle = await openBundle(place, () => {
      throw new Error('standard input was not named')
    })
    expect(await findFaults(bundle, () => {})).toEqual([])
    const [file] = bundle.manifest.files
    if (file === undefined) throw new Error('a bundle without a file')
    const opened = await bundle.stored?.blob(file)
    await swapEverywhere(dir.path, Buffer.alloc(100, 'a'), Buffer.alloc(100, 'b'))
    await expect(bundle.stored?.blob(file)).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' })
    const read = await opened?.text().catch(() => 'a'.repeat(sizeBytes))
    expect(read === 'a'.repeat(sizeBytes)).toBe(true)
  })

  it('is not made of a folder that is being filled', async () => {
    await using dir = await tempDir('bundles')
    await writeTree(dir.join('saved'), { 'npm/a': 'x' })
    const source = { root: dir.join('saved'), ecosystems: ECOSYSTEMS, contentOf: () => undefined, moved: () => {} }
    {
      await using _filled = await openSavedFolder(dir.join('saved', 'npm'))
      await expect(lockSaved(source)).rejects.toThrow('is filling')
    }
    await using _locked = await lockSaved(source)
    await expect(openSavedFolder(dir.join('saved', 'npm'))).rejects.toThrow('is filling')
  })

  it('is not made of a file that changes meanwhile', async () => {
    await using dir = await tempDir('bundles')
    await writeTree(dir.join('saved'), { 'npm/a': 'before' })
    const root = dir.join('saved')
    const source = { root, ecosystems: ECOSYSTEMS, contentOf: () => undefined, moved: () => {} }
    const manifest = manifestOf(await hashSaved(source), { created: '2026-01-31T12:00:00Z' })
    const pieces = savedPieces(root, manifest)
    const bundle = { manifest, digests: digestManifest(manifest), signature: undefined, pieces }
    for (const content of ['after!', 'longer than before', 'less']) {
      await writeTree(root, { 'npm/a': content })
      await expect(writeBundleFile(async () => {}, bundle, undefined)).rejects.toMatchObject({
        code: 'CONTENT_MISMATCH',
      })
      await expect(writeBundleFolder(dir.join('folder'), bundle, () => {})).rejects.toMatchObject({
        code: 'CONTENT_MISMATCH',
      })
    }
  })

  it('is not taken for whole by volumes of another that were left beside it', async () => {
    await using dir = await tempDir('bundles')
    await writeTree(dir.join('saved'), { 'npm/a': 'x'.repeat(10_000) })
    const form = { folder: false, volumeBytes: 1000, level: undefined }
    const place = await made(dir, form)
    await rm(volumeName(place, 1))
    await writeTree(dir.join('saved'), { 'npm/a': 'y' })
    await made(dir, form)
    expect((await imported(place, dir.join('out'))).length).toBe(1)
    expect(await openVolumes(volumeName(place, 9))).toMatchObject({ sizeBytes: (await openVolumes(place))?.sizeBytes })
  })
})

/** Put other bytes of the same length into every file below a folder, and give it back its times. */
async function swapEverywhere(folder: string, bytes: Uint8Array, others: Uint8Array): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = path.join(entry.parentPath, entry.name)
    const content = await readFile(file)
    const at = content.indexOf(bytes)
    if (at === -1) continue
    const { atime, mtime } = await stat(file)
    content.set(others, at)
    await writeFile(file, content)
    await utimes(file, atime, mtime)
  }
}
