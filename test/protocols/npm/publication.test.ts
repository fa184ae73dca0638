import { describe, expect, it } from 'vitest'

import { parsePublication } from '../../../protocols/npm/publication.ts'
import { publishOf } from '../../helpers/npm-fixtures.ts'

type Change = (body: Record<string, unknown>) => void

/** The document as it is after the tarball was taken out of it. */
function body(change: Change = () => {}): unknown {
  const document = publishOf({ name: '@acme/a', version: '1.0.0' }, Buffer.from('bytes'))
  const attachment = document._attachments['@acme/a-1.0.0.tgz']
  if (attachment !== undefined) attachment.data = ''
  change(document)
  return document
}

const parse = (document: unknown, file = '@acme/a-1.0.0.tgz') => parsePublication('@acme/a', document, file)

describe('a publication', () => {
  it('is one version with its tags', () => {
    expect(parse(body())).toMatchObject({ version: '1.0.0', tags: ['latest'], length: 5, attestation: undefined })
  })

  it('is latest when it says nothing of tags, and has the tags it names', () => {
    expect(parse(body((b) => delete b['dist-tags'])).tags).toEqual(['latest'])
    expect(parse(body((b) => (b['dist-tags'] = {}))).tags).toEqual(['latest'])
    expect(parse(body((b) => (b['dist-tags'] = { beta: '1.0.0', next: '1.0.0' }))).tags).toEqual(['beta', 'next'])
  })

  it('keeps what describes the package, and nothing of its structure', () => {
    const change: Change = (b) =>
      Object.assign(b, { readme: '# a', maintainers: [{ name: 'x' }], _rev: '1', time: {}, users: {} })
    expect(parse(body(change)).fields).toEqual({ readme: '# a', maintainers: [{ name: 'x' }] })
  })

  it('may bring its provenance', () => {
    const bundle = { content_type: 'application/vnd.dev.sigstore.bundle.v0.3+json', data: '{"a":1}', length: 7 }
    const change: Change = (b) => Object.assign(b['_attachments'] as object, { '@acme/a-1.0.0.sigstore': bundle })
    expect(parse(body(change)).attestation).toBe('{"a":1}')
  })

  it('may name its tarball without the scope', () => {
    const change: Change = (b) => (b['_attachments'] = { 'a-1.0.0.tgz': { data: '', length: 5 } })
    expect(parse(body(change), 'a-1.0.0.tgz').version).toBe('1.0.0')
  })

  it.each<[string, Change]>([
    ['another name', (b) => (b['name'] = '@acme/b')],
    ['another _id', (b) => (b['_id'] = '@acme/b')],
    ['no versions', (b) => delete b['versions']],
    ['an empty set of versions', (b) => (b['versions'] = {})],
    ['two versions', (b) => Object.assign(b['versions'] as object, { '2.0.0': { name: '@acme/a', version: '2.0.0' } })],
    [
      'a version that is no version',
      (b) => (b['versions'] = { constructor: { name: '@acme/a', version: 'constructor' } }),
    ],
    ['a manifest of another name', (b) => (b['versions'] = { '1.0.0': { name: '@acme/b', version: '1.0.0' } })],
    ['a manifest of another version', (b) => (b['versions'] = { '1.0.0': { name: '@acme/a', version: '2.0.0' } })],
    ['a tag that is a version', (b) => (b['dist-tags'] = { '1.0.0': '1.0.0' })],
    ['a tag that reaches a prototype', (b) => (b['dist-tags'] = { constructor: '1.0.0' })],
    [
      'too many tags',
      (b) => (b['dist-tags'] = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`t${n}`, '1.0.0']))),
    ],
    ['a tag of another version', (b) => (b['dist-tags'] = { latest: '9.9.9' })],
    ['a further attachment', (b) => Object.assign(b['_attachments'] as object, { 'x.exe': { data: '' } })],
    ['data that was not taken', (b) => (b['_attachments'] = { '@acme/a-1.0.0.tgz': { data: 'QUJD' } })],
    ['attachments that are a list', (b) => (b['_attachments'] = [])],
    ['a negative length', (b) => (b['_attachments'] = { '@acme/a-1.0.0.tgz': { data: '', length: -1 } })],
  ])('is refused with %s', (_what, change) => {
    expect(() => parse(body(change))).toThrow(expect.objectContaining({ status: 400 }))
  })

  it.each(['@acme/a-2.0.0.tgz', '@acme/b-1.0.0.tgz', 'constructor', 'a-1.0.0.tar'])(
    'is refused with a tarball called %s',
    (file) => {
      const change: Change = (b) => (b['_attachments'] = { [file]: { data: '', length: 5 } })
      expect(() => parse(body(change), file)).toThrow(expect.objectContaining({ status: 400 }))
    },
  )
})
