import { describe, expect, it } from 'vitest'

import { parseCoreMetadata } from '../../../protocols/python/metadata.ts'
import { LIMITS } from '../../../src/limits.ts'

const parse = (text: string) => parseCoreMetadata(Buffer.from(text))

describe('core metadata', () => {
  it('gives name, version and Requires-Python', () => {
    expect(
      parse('Metadata-Version: 2.1\nName: My.Pkg_x\nVersion: 1.0+local\nRequires-Python: >=3.8, <4\n\nText'),
    ).toEqual({
      name: 'My.Pkg_x',
      version: '1.0+local',
      requiresPython: '>=3.8, <4',
      holdsForWheels: false,
    })
  })

  it.each([
    ['Metadata-Version: 2.2', true],
    ['Metadata-Version: 2.4\nDynamic: Summary', true],
    ['Metadata-Version: 2.10', true],
    ['Metadata-Version: 2.1', false],
    ['Metadata-Version: 3.0', false],
    ['Metadata-Version: 2.2\nMetadata-Version: 2.2', false],
    ['Summary: no version', false],
    ['Metadata-Version: 2.2\nDynamic: Requires-Dist', false],
    ['Metadata-Version: 2.2\nDynamic: Summary\nDynamic: requires-dist', false],
    ['Metadata-Version: 2.2\nDynamic: Provides-Extra', false],
    ['Metadata-Version: 2.2\nDynamic: Requires-Python', false],
  ])('with %j holds for the wheels made from an sdist: %s (PEP 643)', (head, holds) => {
    expect(parse(`${head}\nName: a\nVersion: 1\n`)?.holdsForWheels).toBe(holds)
  })

  it('reads header names in any case, CRLF, and folded lines', () => {
    expect(
      parse('NAME: a\r\nversion:1\r\nSummary: long\r\n   and folded\r\nRequires-Python: >=3,\r\n  <4\r\n\r\n'),
    ).toMatchObject({
      name: 'a',
      version: '1',
      requiresPython: '>=3, <4',
    })
  })

  it('reads what stands behind a lone CR as a line of its own, as pip does', () => {
    const core = parse('Name: a\nVersion: 1\nSummary: x\rRequires-Python: >=99\r\r\nAuthor: y\n')
    expect(core).toMatchObject({ name: 'a', version: '1', requiresPython: '>=99' })
    expect(parse('Summary: x\rName: b\nName: a\nVersion: 1\n')).toBeUndefined()
    expect(parse('Name: a\rVersion: 1\r\rRequires-Python: >=99\r')?.requiresPython).toBeUndefined()
  })

  it('ends the headers at the first empty line, so that a description cannot speak for the project', () => {
    expect(parse('Name: a\nVersion: 1\n\nRequires-Python: >=99\nName: b\n')).toMatchObject({
      name: 'a',
      requiresPython: undefined,
    })
  })

  it.each([
    [' a\n', 'a', undefined],
    ['\t\n', 'a', undefined],
    [' ', 'a', 'a'],
    ['X:\n', 'a', undefined],
    ['Name: b\n', undefined, undefined],
  ])('reads as many headers as anybody writes, and never megabytes of %j', (piece, some, megabytes) => {
    const core = (times: number) => parse(`Name: a\nVersion: 1\nRequires-Python: >3\n${piece.repeat(times)}`)?.name
    expect(core(LIMITS.metadataLinesMax - 10)).toBe(some)
    expect(core(8_000_000 / piece.length)).toBe(megabytes)
  })

  it('joins folded lines by one blank each, and passes over empty ones', () => {
    expect(parse('Name: a\nVersion: 1\nRequires-Python:\n >3,\n \n\t<4\n')?.requiresPython).toBe('>3, <4')
  })

  it('ends the headers at a line that is none', () => {
    expect(parse('Name: a\nVersion: 1\nno header\nRequires-Python: >=99\n')?.requiresPython).toBeUndefined()
  })

  it('survives bytes that are not UTF-8', () => {
    const bytes = Buffer.concat([
      Buffer.from('Name: a\nAuthor: '),
      Buffer.from([0xe9, 0xff]),
      Buffer.from('\nVersion: 1\n\n'),
    ])
    expect(parseCoreMetadata(bytes)).toMatchObject({ name: 'a', version: '1' })
  })

  it.each([
    '',
    'Name: a\n',
    'Version: 1\n',
    'Name: a\nName: b\nVersion: 1\n',
    'Name: a\nVersion: 1\nVersion: 2\n',
    '\nName: a\nVersion: 1\n',
  ])('is refused when it does not name one project and one version: %j', (text) => {
    expect(parse(text)).toBeUndefined()
  })
})
