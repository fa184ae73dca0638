import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { listNar } from '../../../protocols/nix/nar-listing.ts'
import { listTree, type TreeListing } from '../../../protocols/nix/tree-listing.ts'
import type { FileTreeEntry } from '../../../src/file-tree.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { Source } from '../../../src/source.ts'
import { inPieces } from '../../helpers/depot.ts'
import { fileNar, narStrings, writeNar, type NarNode } from '../../helpers/nar.ts'
import { treeOfNode } from '../../helpers/nar-tree.ts'

describe('the listing of an archive', () => {
  it.each<[what: string, node: NarNode, listing: unknown]>([
    ['a file', { type: 'regular', content: 'x'.repeat(54) }, { type: 'regular', size: 54, narOffset: 96 }],
    [
      'a program',
      { type: 'regular', content: '', executable: true },
      { type: 'regular', executable: true, size: 0, narOffset: 128 },
    ],
    ['a link', { type: 'symlink', target: '../x' }, { type: 'symlink', target: '../x' }],
    ['an empty folder', { type: 'directory', entries: [] }, { type: 'directory', entries: {} }],
  ])('is that of %s', async (_, node, root) => {
    expect(JSON.parse(await listNar(sourceOf(writeNar(node))))).toEqual({ version: 1, root })
  })

  it('is that of any tree, in pieces of any size, and says where each content lies', async () => {
    await fc.assert(
      fc.asyncProperty(tree(), fc.integer({ min: 1, max: 5000 }), async (node, pieceBytes) => {
        const nar = writeNar(node)
        const { root } = JSON.parse(await listNar(sourceOf(nar, pieceBytes))) as { root: Listed }
        expect(contentsOf(root, nar)).toEqual(expectedOf(node))
      }),
      { numRuns: 200 },
    )
  })

  it('says where each of many small contents lies, of which one piece holds hundreds', async () => {
    const entries = Array.from({ length: 500 }, (_, index): readonly [string, NarNode] => [
      `file ${String(index).padStart(3, '0')}`,
      { type: 'regular', executable: false, content: `content of ${index} `.repeat(index % 7) },
    ])
    const node: NarNode = { type: 'directory', entries }
    const nar = writeNar(node)
    const { root } = JSON.parse(await listNar(sourceOf(nar, nar.byteLength))) as { root: Listed }
    expect(contentsOf(root, nar)).toEqual(expectedOf(node))
  })

  it('is the same when it is made from the files, which tell the length of the archive too', async () => {
    await fc.assert(
      fc.asyncProperty(tree(), async (node) => {
        const nar = writeNar(node)
        const json = await listNar(sourceOf(nar))
        expect(await listTree(treeOfNode(node, 1000))).toEqual({ json, narSizeBytes: nar.byteLength })
      }),
      { numRuns: 200 },
    )
  })

  it('made from files is bounded in depth and length, and leaves no folder open', async () => {
    let left = 0
    async function* folder(entries: AsyncGenerator<FileTreeEntry>): AsyncGenerator<FileTreeEntry> {
      try {
        yield* entries
      } finally {
        left++
      }
    }
    async function* deeper(levels: number): AsyncGenerator<FileTreeEntry> {
      if (levels > 0) yield { name: 'd', node: { type: 'directory', entries: folder(deeper(levels - 1)) } }
    }
    const deep = (levels: number): Promise<TreeListing> =>
      listTree({ type: 'directory', entries: folder(deeper(levels)) })
    expect((await deep(LIMITS.narDepthMax)).json.match(/"d":/g)).toHaveLength(LIMITS.narDepthMax)
    left = 0
    await expect(deep(LIMITS.narDepthMax + 1)).rejects.toMatchObject({ code: 'TOO_LARGE' })
    expect(left).toBeGreaterThan(LIMITS.narDepthMax)

    async function* wide(): AsyncGenerator<FileTreeEntry> {
      const target = 'x'.repeat(4000)
      for (let at = 0; ; at++) yield { name: String(at), node: { type: 'symlink', target } }
    }
    await expect(listTree({ type: 'directory', entries: wide() })).rejects.toMatchObject({ code: 'TOO_LARGE' })
  })

  it('has names that are special to JSON and JavaScript, and those that are not text', async () => {
    const names = ['"', '\\', '\n', '__proto__', 'constructor', 'ü'].sort((a, b) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    )
    const file: NarNode = { type: 'regular', content: '' }
    const text = await listNar(sourceOf(writeNar({ type: 'directory', entries: names.map((name) => [name, file]) })))
    const { root } = JSON.parse(text) as { root: { entries: object } }
    expect(Object.keys(root.entries).sort()).toEqual([...names].sort())
    const target = narStrings('nix-archive-1', '(', 'type', 'symlink', 'target', Buffer.of(0x61, 0xff), ')')
    expect(JSON.parse(await listNar(sourceOf(target)))).toMatchObject({ root: { target: 'a\ufffd' } })
  })

  it('goes as deep as archives may', async () => {
    let node: NarNode = { type: 'symlink', target: 'end' }
    for (let depth = 0; depth < LIMITS.narDepthMax; depth++) node = { type: 'directory', entries: [['d', node]] }
    const text = await listNar(sourceOf(writeNar(node)))
    expect(text.match(/"d":/g)).toHaveLength(LIMITS.narDepthMax)
    expect(text).toContain('"target":"end"')
  })

  it('does not read large contents', async () => {
    const large = Buffer.alloc(LIMITS.narSkipBytesMin + 3 * LIMITS.frameBytes)
    const nar = writeNar({
      type: 'directory',
      entries: [
        ['a', { type: 'regular', content: large }],
        ['b', { type: 'regular', content: 'after' }],
      ],
    })
    let readBytes = 0
    const source = sourceOf(nar, 60_001, (bytes) => (readBytes += bytes))
    const { root } = JSON.parse(await listNar(source)) as { root: Listed }
    expect(contentsOf(root, nar)).toMatchObject({ entries: { b: { content: 'after' } } })
    expect(readBytes).toBeLessThan(200_000)
  })

  it('of more files than anybody lists is refused', async () => {
    const name = (index: number): string => `${String(index).padStart(6, '0')}${'x'.repeat(240)}`
    const entries = Array.from({ length: Math.ceil(LIMITS.narListingBytesMax / 280) }, (_, index) =>
      narStrings('entry', '(', 'name', name(index), 'node', '(', 'type', 'symlink', 'target', '.', ')', ')'),
    )
    const nar = Buffer.concat([narStrings('nix-archive-1', '(', 'type', 'directory'), ...entries, narStrings(')')])
    const outcome = await listNar(sourceOf(nar, 1_000_000)).then(
      () => 'listed',
      (error: unknown) => error,
    )
    expect(outcome).toMatchObject({ code: 'TOO_LARGE' })
  }, 60_000)

  it.each([
    ['was cut', fileNar('content').subarray(0, -8)],
    ['is something else', Buffer.from('something else, and long enough to be read')],
    ['has a string longer than any', Buffer.alloc(64, 0xff)],
  ])('of what %s since it was stored is a bug, told as one', async (_, bytes) => {
    await expect(listNar(sourceOf(bytes))).rejects.toThrow(/not what it was/)
  })
})

function sourceOf(bytes: Buffer, pieceBytes = 60_001, read: (bytes: number) => void = () => undefined): Source {
  async function* chunks({ start, end }: { start: number; end: number }): AsyncGenerator<Uint8Array> {
    const buffer = Buffer.alloc(pieceBytes)
    for await (const piece of inPieces(bytes.subarray(start, end), pieceBytes)) {
      read(piece.byteLength)
      // The next piece takes the place of this one.
      buffer.set(piece)
      yield buffer.subarray(0, piece.byteLength)
    }
  }
  return { sizeBytes: bytes.byteLength, chunks, async [Symbol.asyncDispose]() {} }
}

function tree(): fc.Arbitrary<NarNode> {
  return fc.letrec<{ node: NarNode }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      fc.record({
        type: fc.constant('regular' as const),
        content: fc.string({ maxLength: 3000 }),
        executable: fc.boolean(),
      }),
      fc.record({ type: fc.constant('symlink' as const), target: fc.stringMatching(/^[a-z./]{1,30}$/) }),
      fc
        .uniqueArray(fc.tuple(fc.stringMatching(/^[a-zA-Z_]{1,12}$/), tie('node')), {
          selector: ([name]) => name,
          maxLength: 5,
        })
        .map((entries) => ({
          type: 'directory' as const,
          entries: entries.sort(([one], [other]) => (one < other ? -1 : 1)),
        })),
    ),
  })).node
}

type Listed =
  | { readonly type: 'regular'; readonly size: number; readonly narOffset: number; readonly executable?: boolean }
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'directory'; readonly entries: Readonly<Record<string, Listed>> }

/** A listing with contents, read from the places it names. */
function contentsOf(listed: Listed, nar: Buffer): unknown {
  if (listed.type === 'symlink') return listed
  if (listed.type === 'directory')
    return {
      type: 'directory',
      entries: Object.fromEntries(
        Object.entries(listed.entries).map(([name, child]) => [name, contentsOf(child, nar)]),
      ),
    }
  const content = nar.toString('utf8', listed.narOffset, listed.narOffset + listed.size)
  return { type: 'regular', executable: listed.executable ?? false, content }
}

function expectedOf(node: NarNode): unknown {
  if (node.type !== 'directory') return node
  return {
    type: 'directory',
    entries: Object.fromEntries(node.entries.map(([name, child]) => [name, expectedOf(child)])),
  }
}
