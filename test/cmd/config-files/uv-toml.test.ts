import { describe, expect, it } from 'vitest'

import { removeUvIndex, setUvIndex } from '../../../cmd/config-files/uv-toml.ts'

const URL = 'http://depot.example/python/simple/'
const BLOCK = `[[index]]\nname = "depot"\nurl = "${URL}"\ndefault = true\n`

describe('setUvIndex', () => {
  it('adds one block behind what is there', () => {
    expect(setUvIndex('', URL)).toBe(BLOCK)
    const text = '# mine\noffline = false\n[pip]\nno-deps = true\n[[index]]\nname = "a"\nurl = "http://a/"'
    expect(setUvIndex(text, URL)).toBe(`${text}\n${BLOCK}`)
  })

  it('changes the address in the block that it made, and keeps the rest of the file', () => {
    const text = `a = 1\r\n${BLOCK.replaceAll('\n', '\r\n')}# end\r\n[[index]]\r\nname = "b"\r\nurl = "http://b/"\r\n`
    expect(setUvIndex(text, 'http://new/')).toBe(text.replace(URL, 'http://new/'))
    expect(setUvIndex(BLOCK, URL)).toBe(BLOCK)
  })

  it.each([
    ['a file that is not TOML', 'a = '],
    ['indexes on one line', 'index = [{ name = "a", url = "http://a/" }]\n'],
    ['a default index of somebody else', '[[index]]\nname = "a"\nurl = "http://a/"\ndefault = true\n'],
    ['an index of this name in another form', '[[index]]\nurl = "http://a/"\nname = "depot"\n'],
    ['what only looks like the block', `text = '''\n${BLOCK}'''\n`],
    ['a block that somebody added to', `${BLOCK}explicit = true\n`],
  ])('leaves alone %s', (_title, text) => {
    const after = setUvIndex(text, 'http://new/')
    expect(after === undefined || !after.includes('explicit')).toBe(true)
    expect(removeUvIndex(text, 'http://new/')).toBe(text)
  })
})

describe('removeUvIndex', () => {
  it('takes out the block, and only with this address', () => {
    expect(removeUvIndex(`a = 1\n${BLOCK}# end\n`, URL)).toBe('a = 1\n# end\n')
    expect(removeUvIndex(BLOCK, 'http://other/')).toBe(BLOCK)
    expect(removeUvIndex(`${BLOCK}authenticate = "always"\n`, URL)).toBe(`${BLOCK}authenticate = "always"\n`)
  })
})
