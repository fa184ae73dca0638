import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createNarParser } from '../../../protocols/nix/nar-parser.ts'
import { DepotError } from '../../../src/errors.ts'
import { fileNar, narStrings, writeNar, type NarNode } from '../../helpers/nar.ts'

const FILE: NarNode = { type: 'regular', content: 'x' }

describe('the archive parser', () => {
  it('takes what Nix 2.8 wrote', () => {
    const nar =
      'DQAAAAAAAABuaXgtYXJjaGl2ZS0xAAAAAQAAAAAAAAAoAAAAAAAAAAQAAAAAAAAAdHlwZQAAAAAHAAAAAAAAAHJlZ3VsYXIACAAAAAAAAABjb250ZW50cwgAAAAAAAAAaGVsbG8gYQoBAAAAAAAAACkAAAAAAAAA'
    expect(verdict(Buffer.from(nar, 'base64'))).toBe('an archive')
    expect(Buffer.from(nar, 'base64')).toEqual(fileNar('hello a\n'))
  })

  it.each<[string, NarNode]>([
    ['an empty file', { type: 'regular', content: '' }],
    ['a program', { type: 'regular', content: '#!/bin/sh', executable: true }],
    ['a symbolic link', { type: 'symlink', target: '../elsewhere' }],
    ['an empty directory', directory()],
    ['a name of 255 bytes', directory(['n'.repeat(255), FILE])],
    ['a target of 4,095 bytes', { type: 'symlink', target: 't'.repeat(4095) }],
    ['names in the order of their bytes', directory(['B', FILE], ['a', FILE], ['a-', FILE], ['a.', FILE], ['é', FILE])],
    ['names that look like others', directory(['...', FILE], ['.a', FILE], ['a\\b', FILE])],
    ['a thousand levels', nested(1000)],
    ['everything', directory(['bin', directory(['run', FILE])], ['lib', { type: 'symlink', target: 'lib64' }])],
  ])('takes %s', (_, node) => {
    expect(verdict(writeNar(node))).toBe('an archive')
  })

  it('takes any archive in pieces of any size', () => {
    fc.assert(
      fc.property(nodes, fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (node, sizes) => {
        expect(verdict(writeNar(node), sizes)).toBe('an archive')
      }),
    )
  })

  it('says the same of any bytes, however they are cut', () => {
    fc.assert(
      fc.property(nodes, fc.nat(), fc.integer({ min: 1, max: 255 }), (node, at, change) => {
        const nar = writeNar(node)
        nar[at % nar.byteLength] = (nar[at % nar.byteLength] ?? 0) ^ change
        expect(verdict(nar, [1])).toBe(verdict(nar))
      }),
    )
  })

  it('refuses every archive that was cut', () => {
    const nar = writeNar(directory(['a', FILE], ['b', { type: 'symlink', target: 'a' }], ['c', directory()]))
    for (let length = 0; length < nar.byteLength; length++) {
      expect(verdict(nar.subarray(0, length)), `${length} bytes`).toContain('ends in the middle')
    }
  })

  it.each(evilArchives())('refuses %s', (_, nar, reason) => {
    expect(verdict(nar)).toContain(reason)
    expect(verdict(nar, [1])).toContain(reason)
  })

  it('skips content without looking at it, also where it would be an archive', () => {
    expect(verdict(fileNar(writeNar(directory(['x', FILE]))))).toBe('an archive')
  })

  it('takes sizes beyond 32 bits at their word and waits for the bytes', () => {
    const parser = createNarParser()
    const head = narStrings('nix-archive-1', '(', 'type', 'regular', 'contents')
    parser.push(Buffer.concat([head, uint64(5n * 2n ** 30n)]))
    const piece = Buffer.alloc(2 ** 30)
    for (let count = 0; count < 5; count++) parser.push(piece)
    parser.push(narStrings(')'))
    expect(() => parser.end()).not.toThrow()
  })
})

/** 'an archive', or why not. */
function verdict(bytes: Uint8Array, sizes: readonly number[] = [bytes.byteLength]): string {
  const parser = createNarParser()
  try {
    for (let offset = 0, count = 0; offset < bytes.byteLength; count++) {
      const size = sizes[count % sizes.length] ?? 1
      parser.push(bytes.subarray(offset, offset + size))
      offset += size
    }
    parser.end()
    return 'an archive'
  } catch (error) {
    if (!(error instanceof DepotError) || error.code !== 'CONTENT_MISMATCH') throw error
    return error.message
  }
}

function directory(...entries: [string, NarNode][]): NarNode {
  return { type: 'directory', entries }
}

function nested(levels: number): NarNode {
  let node: NarNode = directory()
  for (let level = 1; level < levels; level++) node = directory(['d', node])
  return node
}

function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

/** A directory with one entry of this name, whatever it is. */
function named(name: string | Uint8Array): Buffer {
  return inDirectory('entry', '(', 'name', name, 'node', '(', 'type', 'symlink', 'target', 'x', ')', ')')
}

function inDirectory(...strings: (string | Uint8Array)[]): Buffer {
  return narStrings('nix-archive-1', '(', 'type', 'directory', ...strings, ')')
}

function root(...strings: (string | Uint8Array)[]): Buffer {
  return narStrings('nix-archive-1', '(', ...strings)
}

function patched(nar: Buffer, change: (nar: Buffer) => void): Buffer {
  change(nar)
  return nar
}

type Evil = [what: string, nar: Buffer, reason: string]

function evilArchives(): Evil[] {
  const file = fileNar('hello')
  const contents = narStrings('nix-archive-1', '(', 'type', 'regular', 'contents')
  const link = (target: string | Uint8Array): Buffer => root('type', 'symlink', 'target', target, ')')
  const names: Evil[] = [
    ['', 'entry named'],
    ['.', 'entry named'],
    ['..', 'entry named'],
    ['a/b', 'entry named'],
    ['/', 'entry named'],
    ['../../etc/passwd', 'entry named'],
    ['a\0b', 'entry named'],
    ['a~nix~case~hack~1', 'entry named'],
    ['n'.repeat(256), 'at most 255'],
    ['n'.repeat(5000), 'at most 255'],
  ].map(([name = '', reason = '']) => [`an entry named ${JSON.stringify(name.slice(0, 20))}`, named(name), reason])
  return [
    ...names,
    ['a name that comes twice', writeNar(directory(['a', FILE], ['a', FILE])), 'do not ascend'],
    ['names that descend', writeNar(directory(['b', FILE], ['a', FILE])), 'do not ascend'],
    ['names in the order of a language', writeNar(directory(['a', FILE], ['B', FILE])), 'do not ascend'],
    ['a name that comes again later', writeNar(directory(['a', FILE], ['b', FILE], ['a', FILE])), 'do not ascend'],
    ['a link to nowhere', link(''), 'nowhere'],
    ['a link with a NUL', link('a\0b'), 'nowhere'],
    ['a link of 4,096 bytes', link('t'.repeat(4096)), 'at most 4095'],
    [
      'a program whose marker says something',
      root('type', 'regular', 'executable', 'x', 'contents', '', ')'),
      'marker',
    ],
    ['a program that is one twice', root('type', 'regular', 'executable', '', 'executable', '', ')'), 'contents tag'],
    ['a file without content', root('type', 'regular', ')'), 'executable or contents'],
    ['content before the executable marker', root('type', 'regular', 'contents', '', 'executable', '', ')'), 'node )'],
    ['content twice', root('type', 'regular', 'contents', 'a', 'contents', 'b', ')'), 'node )'],
    ['a link without a target', root('type', 'symlink', ')'), 'target tag'],
    ['two targets', root('type', 'symlink', 'target', 'a', 'target', 'b', ')'), 'node )'],
    ['a type that is none', root('type', 'fifo', ')'), 'unknown type'],
    ['two types', root('type', 'symlink', 'type', 'regular'), 'target tag'],
    ['no type', root('contents', '', ')'), 'type tag'],
    ['an entry without a name', inDirectory('entry', '(', 'node'), 'name tag'],
    ['an entry without a node', inDirectory('entry', '(', 'name', 'a', ')'), 'node tag'],
    [
      'an entry with two nodes',
      inDirectory('entry', '(', 'name', 'a', 'node', '(', 'type', 'symlink', 'target', 'x', ')', 'node'),
      'entry )',
    ],
    ['something else than an entry', inDirectory('file'), 'entry or )'],
    ['another magic', narStrings('nix-archive-2', '('), 'magic'],
    ['no magic', narStrings('(', 'type'), 'magic'],
    ['a tag that is too long', root('t'.repeat(33)), 'at most 32'],
    ['a byte after the end', Buffer.concat([file, Buffer.of(0)]), 'after its end'],
    ['an archive after the end', Buffer.concat([file, file]), 'after its end'],
    ['padding of a file that is not zero', patched(fileNar('hello'), (nar) => nar.writeUInt8(1, 101)), 'padding'],
    ['padding of a tag that is not zero', patched(fileNar('hello'), (nar) => nar.writeUInt8(1, 23)), 'padding'],
    ['a string of 2^63 bytes', patched(fileNar('hello'), (nar) => nar.writeUInt8(0x80, 95)), 'longer than any disk'],
    ['a tag of 2^32 bytes', patched(fileNar('hello'), (nar) => nar.writeUInt8(1, 4)), 'at most 32'],
    [
      'a file that is longer than the archive',
      Buffer.concat([contents, uint64(1000n), Buffer.alloc(8)]),
      'ends in the middle',
    ],
    ['1,025 levels', writeNar(nested(1025)), 'nests deeper'],
    ['a million levels', Buffer.alloc(1_000_000 * 8, Buffer.concat([narStrings('nix-archive-1', '(')])), ''],
    ['text', Buffer.from('notanar'.repeat(10)), 'not a Nix archive'],
    ['nothing', Buffer.alloc(0), 'ends in the middle'],
  ]
}

const names = fc.stringMatching(/^[A-Za-z0-9_+=][A-Za-z0-9._+=-]{0,20}$/)

const { node: nodes } = fc.letrec<{ node: NarNode; regular: NarNode; symlink: NarNode; directory: NarNode }>((tie) => ({
  node: fc.oneof({ depthSize: 'small' }, tie('regular'), tie('symlink'), tie('directory')),
  regular: fc.record({
    type: fc.constant('regular' as const),
    content: fc.uint8Array({ maxLength: 300 }),
    executable: fc.boolean(),
  }),
  symlink: fc.record({ type: fc.constant('symlink' as const), target: fc.stringMatching(/^[a-z./]{1,40}$/) }),
  directory: fc
    .uniqueArray(fc.tuple(names, tie('node')), { selector: ([name]) => name, maxLength: 5 })
    .map((entries) => ({
      type: 'directory' as const,
      entries: entries.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    })),
}))
