import { describe, expect, it } from 'vitest'

import { getIni, NPMRC, PIP_CONF, removeEmptySection, removeIni, setIni } from '../../../cmd/config-files/ini.ts'

const registry = { section: '', key: 'registry' }
const index = { section: 'global', key: 'index-url' }

describe('an npmrc', () => {
  it.each([
    ['', 'registry=new\n'],
    ['registry = old ; words\nb=1\n', 'registry=new\nb=1\n'],
    ['#registry=no\n; registry=no\n', '#registry=no\n; registry=no\nregistry=new\n'],
    ['a=1\r\n\r\n[other]\r\nregistry=no\r\n', 'a=1\r\nregistry=new\r\n\r\n[other]\r\nregistry=no\r\n'],
    ['[other]\nregistry=no', 'registry=new\n[other]\nregistry=no'],
    ['registry=first\nregistry=last', 'registry=first\nregistry=new'],
    ['registry=new\n', 'registry=new\n'],
  ])('%j becomes %j', (before, after) => {
    expect(setIni(before, registry, 'new', NPMRC)).toBe(after)
  })

  it('has keys with colons in them', () => {
    const token = { section: '', key: '//depot.example:8080/npm/:_authToken' }
    const text = '//other/:_authToken=x\n//depot.example:8080/npm/:_authToken=dpt_old\n'
    expect(getIni(text, token, NPMRC)).toBe('dpt_old')
    expect(setIni(text, token, 'dpt_new', NPMRC)).toBe(text.replace('dpt_old', 'dpt_new'))
    expect(removeIni(text, token, NPMRC)).toBe('//other/:_authToken=x\n')
  })
})

describe('a pip.conf', () => {
  it.each([
    ['', '[global]\nindex-url = new\n'],
    ['[install]\nuser = yes', '[install]\nuser = yes\n[global]\nindex-url = new\n'],
    ['[global]\ntimeout = 5\n\n[install]\n', '[global]\ntimeout = 5\nindex-url = new\n\n[install]\n'],
    ['[global]\nIndex_URL: old\n    older\ntimeout = 5\n', '[global]\nindex-url = new\ntimeout = 5\n'],
    ['[global]\nindex-url =\n  old\n', '[global]\nindex-url = new\n'],
  ])('%j becomes %j', (before, after) => {
    expect(setIni(before, index, 'new', PIP_CONF)).toBe(after)
  })

  it('loses a key, and a section that nothing is in', () => {
    expect(removeIni('[a]\nx = 1\n[global]\nindex-url = new\n', index, PIP_CONF)).toBe('[a]\nx = 1\n[global]\n')
    expect(removeEmptySection('[a]\nx = 1\n[global]\n', 'global')).toBe('[a]\nx = 1\n')
    expect(removeEmptySection('[global]\n# mine\n[a]\n', 'global')).toBe('[global]\n# mine\n[a]\n')
    expect(getIni('[global]\nindex-url =\n  a\n  b\n', index, PIP_CONF)).toBe('a\nb')
  })
})
