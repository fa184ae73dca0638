import { describe, expect, it } from 'vitest'

import { parseNarName } from '../../../protocols/nix/nar-name.ts'
import { DepotError } from '../../../src/errors.ts'

const HASH = '1waaxf6q2kns1na7a7rra64qg8l8rsljag3jlbc8bc9w6zg6y2j7'

describe('the name of an archive', () => {
  it.each([
    ['', ''],
    ['.zst', 'zst'],
    ['.xz', 'xz'],
    ['.bz2', 'bz2'],
    ['.gz', 'gz'],
    ['.lzip', 'lzip'],
  ])('ends in .nar%s', (ending, suffix) => {
    const name = parseNarName(`${HASH}.nar${ending}`)
    expect(name).toMatchObject({ fileName: `${HASH}.nar${ending}`, suffix })
    expect(name.digest).toMatch(/^[0-9a-f]{64}$/)
  })

  it.each([
    `${HASH}`,
    `${HASH}.narinfo`,
    `${HASH}.nar.`,
    `${HASH}.nar.xz.gz`,
    `${HASH}.nar.XZ`,
    `${HASH}.nar/..`,
    `../${HASH}.nar`,
    `${HASH.slice(1)}.nar`,
    `e${HASH.slice(1)}.nar`,
    `z${HASH.slice(1)}.nar`,
    `${HASH}.nar\n`,
    `${HASH}.nar\0`,
    '.nar',
    '',
  ])('is never %j', (text) => {
    expect(() => parseNarName(text)).toThrow(DepotError)
  })
})
