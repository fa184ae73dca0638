import { describe, expect, it } from 'vitest'

import { makeStoreHash, parseBaseName, parseStorePath, printStorePath } from '../../../protocols/nix/store-path.ts'
import { sha256Hex } from '../../helpers/nar.ts'

const HASH = 's5b00ijzqx4db8vf1bcbzgmv3wb3ildz'

describe('a store path', () => {
  it('splits into its hash and its name', () => {
    const path = parseStorePath(`/nix/store/${HASH}-dep-a`)
    expect(path).toEqual({ baseName: `${HASH}-dep-a`, hash: HASH, name: 'dep-a' })
    expect(printStorePath(path?.baseName ?? '')).toBe(`/nix/store/${HASH}-dep-a`)
  })

  it.each(['a', '.hidden', 'a.b', 'a+b', 'a_b', 'a?b', 'a=b', '-', 'a'.repeat(211), '...'])(
    'may be called %s',
    (name) => {
      expect(parseBaseName(`${HASH}-${name}`)?.name).toBe(name)
    },
  )

  it.each([
    ['no name', `${HASH}-`],
    ['no dash', HASH],
    ['a name of 212 characters', `${HASH}-${'a'.repeat(212)}`],
    ['a folder below', `${HASH}-a/b`],
    ['itself as its name', `${HASH}-.`],
    ['its parent as its name', `${HASH}-..`],
    ['its parent before a dash', `${HASH}-..-x`],
    ['a blank', `${HASH}-a b`],
    ['a line break', `${HASH}-a\n`],
    ['a NUL', `${HASH}-a\0`],
    ['a letter outside ASCII', `${HASH}-ä`],
    ['a digit that base 32 has not', `e${HASH.slice(1)}-a`],
    ['a hash that is too short', `${HASH.slice(1)}-a`],
  ])('may not have %s', (_, text) => {
    expect(parseBaseName(text)).toBeUndefined()
  })

  it.each(['/etc/', '/nix/store/../', '/nix/store//', '/gnu/store/', ''])('is not found below %s', (folder) => {
    expect(parseStorePath(`${folder}${HASH}-a`)).toBeUndefined()
  })

  it('has the hash that Nix gives a text file', () => {
    // Nix 2.8: builtins.toFile "dep-a" "hello a\n"
    expect(makeStoreHash('text', sha256Hex(Buffer.from('hello a\n')), 'dep-a')).toBe(HASH)
  })
})
