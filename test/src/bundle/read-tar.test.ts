import { zstdCompressSync } from 'node:zlib'

import fc from 'fast-check'
import { pack, type Header } from 'tar-stream'
import { describe, expect, it } from 'vitest'

import { blobName, carriedBlobs, tarLayout } from '../../../src/bundle/layout.ts'
import { printManifest, type Manifest } from '../../../src/bundle/manifest.ts'
import { readTarBundle } from '../../../src/bundle/read-tar.ts'
import { tarHeader } from '../../../src/bundle/ustar.ts'
import { decodeZstd } from '../../../src/codec/zstd-frames.ts'
import { writeZstd } from '../../../src/codec/zstd-writer.ts'
import { digestManifest } from '../../../src/bundle/write-tar.ts'
import { bundleOf, faultsOf, manifestOfTree, readBytes, sha256Of, type Tree } from '../../helpers/bundles.ts'

const TREE = { 'npm/a/a-1.0.0.tgz': 'archive', 'npm/a/metadata.json': '{}', 'npm/b/copy.tgz': 'archive' }
const trees = fc.dictionary(
  fc.stringMatching(/^(?:npm|nix)\/[a-c]\.[a-z]{1,3}$/),
  fc.oneof(fc.uint8Array({ maxLength: 3000 }), fc.constant(new Uint8Array(512))),
  { maxKeys: 8 },
)

async function contentsOf(bytes: Uint8Array, pieceBytes?: number): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {}
  const content = await readBytes(bytes, pieceBytes)
  for await (const blob of content.blobs()) {
    const pieces = await Array.fromAsync(blob.pieces, (piece) => Buffer.from(piece))
    found[blob.sha256] = Buffer.concat(pieces).toString('base64')
  }
  return found
}

function expected(tree: Tree): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.values(tree).map((content) => [sha256Of(Buffer.from(content)), Buffer.from(content).toString('base64')]),
  )
}

/** An archive of these entries, the manifest first. */
async function packed(
  manifest: Manifest,
  entries: readonly (readonly [Partial<Header> & { readonly name: string }, string?])[],
): Promise<Buffer> {
  const tar = pack()
  tar.entry({ name: 'manifest.json', mode: 0o644, mtime: new Date(0) }, [...printManifest(manifest)].join(''))
  for (const [header, content] of entries) tar.entry({ mode: 0o644, mtime: new Date(0), ...header }, content ?? '')
  tar.finalize()
  return Buffer.concat(await Array.fromAsync(tar, (piece) => Buffer.from(piece as Uint8Array)))
}

describe('the tar form of a bundle', () => {
  it('gives back what was put in, each blob once, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(trees, fc.integer({ min: 1, max: 2000 }), async (tree, pieceBytes) => {
        const { bytes, manifest } = await bundleOf(tree)
        expect(await contentsOf(bytes, pieceBytes)).toEqual(expected(tree))
        expect((await readBytes(bytes)).manifest).toEqual(manifest)
        expect(await faultsOf(bytes)).toEqual([])
      }),
    )
  })

  it('has its blobs where the manifest alone says', async () => {
    const { bytes, manifest } = await bundleOf(TREE, () => 'a signature')
    const blobs = carriedBlobs(manifest.files)
    const layout = tarLayout(digestManifest(manifest).sizeBytes, 'a signature'.length, blobs)
    expect(layout.sizeBytes).toBe(bytes.length)
    for (const { sha256, sizeBytes } of blobs) {
      const at = layout.offsets.get(sha256) ?? 0
      expect(sha256Of(bytes.subarray(at, at + sizeBytes))).toBe(sha256)
    }
    expect(blobs.map(({ sha256 }) => sha256)).toEqual(Object.keys(expected(TREE)).toSorted())
  })

  it('shows every byte that was changed, but in the manifest, which its signature is for', async () => {
    const { bytes, manifest } = await bundleOf(TREE)
    const manifestEnd = 512 + digestManifest(manifest).sizeBytes
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 0x01
      const faults = await faultsOf(changed)
      if (at < 512 || at >= manifestEnd) expect({ at, faults: faults.length }).toEqual({ at, faults: 1 })
    }
  })

  it('shows where it was cut, wherever that was', async () => {
    const { bytes } = await bundleOf(TREE)
    for (let length = 0; length < bytes.length; length += 64) {
      const faults = await faultsOf(bytes.subarray(0, length))
      expect({ length, faults }).toEqual({ length, faults: [expect.stringMatching(/ends early/)] })
    }
  })

  it('ends where it ends', async () => {
    const { bytes } = await bundleOf(TREE)
    for (const more of [Buffer.of(0), Buffer.alloc(512), bytes])
      expect(await faultsOf(Buffer.concat([bytes, more]))).toEqual([expect.stringContaining('something follows')])
  })

  it('has its parts in their order', async () => {
    const { bytes } = await bundleOf({ 'npm/a/a': 'x'.repeat(5000), 'npm/a/b': 'y'.repeat(5000) })
    const [first, second] = [bytes.subarray(0, 2048), bytes.subarray(2048)]
    expect(await faultsOf(Buffer.concat([second, first]))).not.toEqual([])
    const third = Math.floor(bytes.length / 3)
    const parts = [bytes.subarray(0, third), bytes.subarray(2 * third), bytes.subarray(third, 2 * third)]
    expect(await faultsOf(Buffer.concat(parts))).not.toEqual([])
  })

  const blob = blobName(sha256Of(Buffer.from('x')))
  const other = blobName(sha256Of(Buffer.from('y')))
  it.each<[string, readonly (readonly [Partial<Header> & { readonly name: string }, string?])[]]>([
    [
      'a blob that nobody lists',
      [
        [{ name: blob }, 'x'],
        [{ name: other }, 'y'],
      ],
    ],
    [
      'a blob twice',
      [
        [{ name: blob }, 'x'],
        [{ name: blob }, 'x'],
      ],
    ],
    [
      'a second manifest',
      [
        [{ name: 'manifest.json' }, '{}'],
        [{ name: blob }, 'x'],
      ],
    ],
    [
      'a second signature',
      [
        [{ name: 'manifest.json.sig' }, 'a'],
        [{ name: 'manifest.json.sig' }, 'b'],
        [{ name: blob }, 'x'],
      ],
    ],
    ['a blob that is missing', []],
    ['a path that leads out', [[{ name: '../../etc/passwd' }, 'x']]],
    ['an absolute path', [[{ name: '/etc/passwd' }, 'x']]],
    ['a symbolic link', [[{ name: blob, type: 'symlink', linkname: '/etc/passwd' }]]],
    ['a hard link', [[{ name: blob, type: 'link', linkname: 'manifest.json' }]]],
    ['a device', [[{ name: blob, type: 'character-device', devmajor: 1, devminor: 3 }]]],
    ['a pipe', [[{ name: blob, type: 'fifo' }]]],
    ['a folder', [[{ name: 'blobs/', type: 'directory' }], [{ name: blob }, 'x']]],
    ['an extended header that renames', [[{ name: blob, pax: { path: '../../x' } }, 'x']]],
    ['an extended header that lies about the size', [[{ name: blob, pax: { size: '0' } }, 'x']]],
    ['a sparse file', [[{ name: blob, pax: { 'GNU.sparse.major': '1', 'GNU.sparse.realsize': '1' } }, 'x']]],
    ['a long name', [[{ name: `${blob}/${'x'.repeat(200)}` }, 'x']]],
    ['a blob that may be executed', [[{ name: blob, mode: 0o755 }, 'x']]],
    ['other content under the digest', [[{ name: blob }, 'y']]],
    ['more content than the manifest says', [[{ name: blob }, 'xx']]],
  ])('is refused with %s', async (_what, entries) => {
    expect(await faultsOf(await packed(manifestOfTree({ 'npm/a/x': 'x' }), entries))).toEqual([
      expect.stringMatching(/^(?!.*not written by)/),
    ])
  })

  it('is taken from another program that happens to write the same bytes', async () => {
    expect(await faultsOf(await packed(manifestOfTree({ 'npm/a/x': 'x' }), [[{ name: blob }, 'x']]))).toEqual([])
  })

  it('is refused when its manifest or its signature is longer than any', async () => {
    const { bytes } = await bundleOf(TREE, () => 'x'.repeat(100_000))
    expect(await faultsOf(bytes)).toEqual([expect.stringContaining('the signature is larger')])
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield tarHeader('manifest.json', 2 ** 30)
      for (;;) yield Buffer.alloc(1 << 20, 'x')
    }
    await expect(readTarBundle(endless())).rejects.toThrow(/not the manifest of a bundle/)
  })

  it('comes through compression in many frames as it was, and no bomb gets further than its first wrong byte', async () => {
    const { bytes } = await bundleOf({ 'npm/a/a': Buffer.alloc(3_000_000, 'abc'), 'npm/a/b': 'b' })
    async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
      yield content
    }
    const small = Buffer.concat(await Array.fromAsync(writeZstd(once(bytes))))
    expect(small.length).toBeLessThan(bytes.length / 100)
    const back = Buffer.concat(await Array.fromAsync(decodeZstd(once(small))))
    expect(back.equals(bytes)).toBe(true)

    const bomb = zstdCompressSync(Buffer.alloc(256 << 20))
    let decoded = 0
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const piece of decodeZstd(once(bomb))) {
        decoded += piece.length
        yield piece
      }
    }
    await expect(readTarBundle(counted())).rejects.toThrow('does not begin with a manifest')
    expect(decoded).toBeLessThan(4 << 20)
  })
})
