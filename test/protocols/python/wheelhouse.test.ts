import { describe, expect, it } from 'vitest'

import { parseDevpiIndex, recognise } from '../../../protocols/python/wheelhouse.ts'

describe('the files of a wheelhouse', () => {
  it.each([
    ['My.Pkg_x-1.0-py3-none-any.whl', 'my-pkg-x'],
    ['python-dateutil-2.9.0.post0.tar.gz', 'python-dateutil'],
    ['foo-1.0.zip', 'foo'],
  ])('know %s as a distribution of %s', (filename, project) => {
    expect(recognise(filename)).toMatchObject({ distribution: { project, filename } })
  })

  it.each([
    ['foo-1.0-py3.8.egg', 'an egg'],
    ['foo-1.0.win32.exe', 'an installer'],
    ['foo-1.0.tar.bz2', 'an sdist of an old kind'],
    ['foo-1.0.tgz', 'an sdist of an old kind'],
    ['foo-1.0.tar.gz.asc', 'a signature'],
    ['requirements.txt', 'must end in .whl, .tar.gz or .zip'],
    ['demo-1.0.doc.zip', 'no version'],
    ['foo.whl', 'must be name-version'],
  ])('say of %s that it is %s', (filename, reason) => {
    expect(recognise(filename)).toEqual({ reason: expect.stringContaining(reason) as unknown })
  })
})

const SHA256 = 'a'.repeat(64)

function exported(files: readonly object[]): string {
  return JSON.stringify({ dumpversion: '2', users: {}, indexes: { 'root/dev': { files } } })
}

function released(more: object): object {
  return { type: 'releasefile', relpath: 'root/dev/demo/1.0/demo-1.0.tar.gz', ...more }
}

describe("devpi's list of its export", () => {
  it('has the hash and the first upload of a file', () => {
    const mapping = { hashes: { sha256: SHA256 }, last_modified: 'Sat, 21 Nov 2026 16:56:09 GMT' }
    const log = [
      { what: 'push', when: [2019, 1, 1, 0, 0, 0] },
      { what: 'upload', when: [2022, 3, 4, 5, 6, 7] },
      { what: 'upload', when: [2021, 3, 4, 5, 6, 7] },
    ]
    const files = parseDevpiIndex(exported([released({ entrymapping: mapping, log })]))
    expect([...files]).toEqual([
      ['root/dev/demo/1.0/demo-1.0.tar.gz', { sha256: SHA256, uploadedMs: Date.UTC(2021, 2, 4, 5, 6, 7) }],
    ])
  })

  it('makes do with what older versions of devpi write', () => {
    const mapping = { hash_spec: `sha256=${SHA256}`, last_modified: 'Sat, 21 Nov 2026 16:56:09 GMT' }
    const [file] = parseDevpiIndex(exported([released({ entrymapping: mapping })])).values()
    expect(file).toEqual({ sha256: SHA256, uploadedMs: Date.UTC(2026, 10, 21, 16, 56, 9) })
    const [bare] = parseDevpiIndex(exported([released({ entrymapping: { hash_spec: 'md5=1' }, log: 1 })])).values()
    expect(bare).toEqual({ sha256: undefined, uploadedMs: undefined })
  })

  it('passes over what is no release file', () => {
    const odd = [null, 1, [], {}, { type: 'releasefile' }, released({ type: 'toxresult' }), released({ relpath: 7 })]
    expect(parseDevpiIndex(exported(odd as object[])).size).toBe(0)
  })

  it.each(['', '[]', '{}', '{"indexes":1}', 'null'])('refuses %j', (text) => {
    expect(() => parseDevpiIndex(text)).toThrow()
  })

  it('gives the first of very many uploads', () => {
    const upload = (year: number) => ({ what: 'upload', when: [year, 1, 2, 3, 4, 5] })
    const log = [...Array.from({ length: 300_000 }, () => upload(2022)), upload(2021)]
    const file = { type: 'releasefile', relpath: 'a.whl', log }
    const files = parseDevpiIndex(JSON.stringify({ indexes: { 'root/prod': { files: [file] } } }))
    expect(files.get('a.whl')?.uploadedMs).toBe(Date.UTC(2021, 0, 2, 3, 4, 5))
  })
})
