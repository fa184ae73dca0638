import { describe, expect, it } from 'vitest'

import { parseTarballFile, tarballPath, tarballVersion } from '../../../protocols/npm/tarball-name.ts'

describe("a tarball's file name", () => {
  it('says the version of a package whose name is known', () => {
    expect(tarballVersion('express', 'express-4.18.2.tgz')).toBe('4.18.2')
    expect(tarballVersion('a-1', 'a-1-2.0.0-rc.1.tgz')).toBe('2.0.0-rc.1')
  })

  it('leaves the scope away, or has it in front', () => {
    expect(tarballVersion('@acme/button', 'button-1.0.0.tgz')).toBe('1.0.0')
    expect(tarballVersion('@acme/button', '@acme/button-1.0.0.tgz')).toBe('1.0.0')
  })

  it.each([
    ['express', 'other-1.0.0.tgz'],
    ['express', 'express-1.0.0.zip'],
    ['express', 'express-1.0.tgz'],
    ['express', 'express-.tgz'],
    ['express', 'express.tgz'],
    ['express', 'Express-1.0.0.tgz'],
    ['express', '@acme/express-1.0.0.tgz'],
    ['@acme/button', '@other/button-1.0.0.tgz'],
    ['express', 'express-1.0.0.tgz/../x.tgz'],
  ])('of %s is not %s', (name, file) => {
    expect(tarballVersion(name, file)).toBeUndefined()
  })

  it('has a bounded length', () => {
    expect(parseTarballFile(`${'a'.repeat(600)}.tgz`)).toBeUndefined()
    expect(parseTarballFile('a-1.0.0.tgz')).toBe('a-1.0.0.tgz')
    expect(parseTarballFile('a-1.0.0.tar')).toBeUndefined()
  })
})

it('puts tarballs where npmjs has them', () => {
  expect(tarballPath('@acme/button', '1.0.0')).toBe('@acme/button/-/button-1.0.0.tgz')
  expect(tarballPath('express', '4.18.2')).toBe('express/-/express-4.18.2.tgz')
})
