import { describe, expect, it } from 'vitest'

import { parseDerivation } from '../../../../protocols/nix/closure/derivation.ts'

const HASH = 's5b00ijzqx4db8vf1bcbzgmv3wb3ildz'
const LOW = `/nix/store/${HASH}-low.drv`
const head = `Derive([("dev","/nix/store/${HASH}-dev","",""),("out","","r:sha256","")]`

describe('a derivation', () => {
  it('tells of its outputs, of what it is built from, and of its sources', () => {
    const text = `${head},[("${LOW}",["dev","out"])],["/nix/store/${HASH}-source"],"x86_64-linux","/bin/sh",["-c","echo \\"(\\\\\\n"],[("deps","[]"),("name","a")])`
    const { outputs, inputs, sources } = parseDerivation(text)
    expect([...outputs]).toEqual([
      ['dev', `${HASH}-dev`],
      ['out', undefined],
    ])
    expect([...inputs]).toEqual([[`${HASH}-low.drv`, ['dev', 'out']]])
    expect(sources).toEqual([`${HASH}-source`])
  })

  it.each([
    ['another file', 'hello'],
    ['one of a later kind', 'DrvWithVersion("xp-dyn-drv",[],[],[],"","",[],[])'],
    ['one that is cut', head],
    ['brackets in brackets', `Derive(${'['.repeat(100_000)}`],
    ['a path outside the store', `Derive([("out","/etc/passwd","","")],[],[],"","",[],[])`],
    ['a path with more behind it', `Derive([],[],["/nix/store/${HASH}-a/../../b"],"","",[],[])`],
    ['a string that never ends', `Derive([("out`],
    ['a word for a list', `Derive("out",[],[],"","",[],[])`],
  ])('is not %s', (_what, text) => {
    expect(() => parseDerivation(text)).toThrow('not a derivation')
  })
})
