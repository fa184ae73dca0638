import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createNarParser } from '../../../protocols/nix/nar-parser.ts'
import { DepotError } from '../../../src/errors.ts'
import { narNodes } from '../../helpers/nar-nodes.ts'
import { directory, evilArchives, nested, uint64 } from '../../helpers/evil-archives.ts'
import { readNar } from '../../helpers/read-nar.ts'
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
      fc.property(narNodes, fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (node, sizes) => {
        expect(verdict(writeNar(node), sizes)).toBe('an archive')
      }),
    )
  })

  it('says the same of any bytes, however they are cut', () => {
    fc.assert(
      fc.property(narNodes, fc.nat(), fc.integer({ min: 1, max: 255 }), (node, at, change) => {
        const nar = writeNar(node)
        nar[at % nar.byteLength] = (nar[at % nar.byteLength] ?? 0) ^ change
        expect(verdict(nar, [1])).toBe(verdict(nar))
      }),
    )
  })

  it('takes of all archives that were changed only those that are the one form of some tree', () => {
    const flip = fc.record({ at: fc.nat(), to: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 8, 0x28, 0x29)) })
    const splice = fc.record({ from: fc.nat(), count: fc.nat(40), into: fc.nat() })
    let taken = 0
    fc.assert(
      fc.property(narNodes, fc.array(flip, { maxLength: 3 }), fc.option(splice), (node, flips, cut) => {
        const nar = spliced(writeNar(node), cut)
        for (const { at, to } of flips) nar[at % nar.byteLength] = to
        if (verdict(nar) !== 'an archive') return
        taken++
        expect(writeNar(readNar(nar)).equals(nar)).toBe(true)
      }),
      { numRuns: 3000 },
    )
    expect(taken).toBeGreaterThan(0)
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

  it('refuses a file that is larger than anything here may be, before its bytes come', () => {
    const head = narStrings('nix-archive-1', '(', 'type', 'regular', 'contents')
    const parser = createNarParser()
    parser.push(Buffer.concat([head, uint64(64n * 2n ** 30n)]))
    expect(() => createNarParser().push(Buffer.concat([head, uint64(64n * 2n ** 30n + 1n)]))).toThrow(
      /68719476737 bytes/,
    )
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

/** Some whole words of an archive once more, at another place. */
function spliced(nar: Buffer, cut: { from: number; count: number; into: number } | null): Buffer {
  if (cut === null) return nar
  const words = nar.byteLength / 8
  const [from, into] = [(cut.from % words) * 8, (cut.into % words) * 8]
  return Buffer.concat([nar.subarray(0, into), nar.subarray(from, from + cut.count * 8), nar.subarray(into)])
}

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
    if (!(error instanceof DepotError) || !['CONTENT_MISMATCH', 'TOO_LARGE'].includes(error.code)) throw error
    return error.message
  }
}
