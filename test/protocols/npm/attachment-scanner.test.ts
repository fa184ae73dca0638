import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { AttachmentScanner, type Piece } from '../../../protocols/npm/attachment-scanner.ts'

interface Scanned {
  readonly text: string
  readonly attachments: readonly { readonly file: string; readonly data: string; readonly closed: boolean }[]
}

function scan(json: string, cuts: readonly number[] = []): Scanned {
  const bytes = Buffer.from(json)
  const scanner = new AttachmentScanner()
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  const pieces: Piece[] = at.slice(1).flatMap((end, index) => scanner.push(bytes.subarray(at[index], end)))
  const text: Uint8Array[] = []
  const attachments: { file: string; data: string; closed: boolean }[] = []
  for (const piece of pieces) {
    const open = attachments.at(-1)
    if (piece.kind === 'text') text.push(piece.bytes)
    else if (piece.kind === 'open') attachments.push({ file: piece.file, data: '', closed: false })
    else if (open !== undefined && piece.kind === 'data') open.data += Buffer.from(piece.bytes).toString('latin1')
    else if (open !== undefined) open.closed = true
  }
  return { text: Buffer.concat(text).toString('utf8'), attachments }
}

const ATTACHMENT = { content_type: 'application/octet-stream', data: 'QUJD', length: 3 }

describe('the scanner of a publish', () => {
  it('diverts the data of an attachment and leaves an empty string', () => {
    const { text, attachments } = scan(JSON.stringify({ name: 'a', _attachments: { 'a-1.0.0.tgz': ATTACHMENT } }))
    expect(attachments).toEqual([{ file: 'a-1.0.0.tgz', data: 'QUJD', closed: true }])
    expect(JSON.parse(text)).toEqual({ name: 'a', _attachments: { 'a-1.0.0.tgz': { ...ATTACHMENT, data: '' } } })
  })

  it('finds it wherever it stands, however it is spelled', () => {
    const json = '{ "_attachments" :\n{"a\\"b.tgz":{"length":3,"d\\u0061ta" : "QU\\u004aD\\/\\u002b"} } ,"name":"a"}'
    expect(scan(json).attachments).toEqual([{ file: 'a"b.tgz', data: 'QUJD/+', closed: true }])
  })

  it('leaves alone what only looks like it', () => {
    const json = JSON.stringify({
      data: 'a',
      nested: { _attachments: { f: { data: 'b' } } },
      _attachments: {
        f: { deeper: { data: 'c' }, list: [{ data: 'd' }], other: '{"_attachments":{"f":{"data":"e"}}}' },
      },
      list: ['_attachments', { f: { data: 'f' } }],
    })
    expect(scan(json)).toEqual({ text: json, attachments: [] })
  })

  it('leaves data that is no string to the parser', () => {
    const json = '{"_attachments":{"f":{"data":["QUJD"]},"g":{"data":1},"h":[{"data":"x"}],"i":{"data":{"data":"y"}}}}'
    expect(scan(json)).toEqual({ text: json, attachments: [] })
  })

  it('leaves a sigstore bundle in the text, for it is JSON and not base64', () => {
    const json = JSON.stringify({ _attachments: { 'a-1.0.0.sigstore': { data: '{"mediaType":"x\\n"}' } } })
    expect(scan(json)).toEqual({ text: json, attachments: [] })
  })

  it('says so when the data never ends', () => {
    expect(scan('{"_attachments":{"f":{"data":"QUJD').attachments).toEqual([{ file: 'f', data: 'QUJD', closed: false }])
  })

  it.each(['\\n', '\\"', '\\\\', '\\u00e9', '\\u2028', '\\u00g1', '\\uD800', '\\u0000'])(
    'refuses the escape %s, which base64 has no use for',
    (escape) => {
      const refused = expect.objectContaining({ code: 'BAD_REQUEST' })
      expect(() => scan(`{"_attachments":{"f":{"data":"QUJD${escape}0000"}}}`)).toThrow(refused)
    },
  )

  it('refuses a key without end, and brackets that close nothing', () => {
    const refused = expect.objectContaining({ code: 'BAD_REQUEST' })
    expect(() => scan(`{"${'k'.repeat(5000)}`)).toThrow(refused)
    expect(() => scan('}}}{')).toThrow(refused)
  })

  it('gives the same result however the bytes are cut, and the text is the JSON without the data', () => {
    const value = fc.jsonValue({ maxDepth: 3 })
    const document = fc.record({
      before: fc.dictionary(fc.string(), value),
      files: fc.uniqueArray(
        fc.string({ minLength: 1 }).filter((file) => file !== '__proto__' && !file.endsWith('.sigstore')),
      ),
      data: fc.base64String(),
      after: fc.dictionary(fc.string(), value),
      cuts: fc.array(fc.nat(), { maxLength: 12 }),
      indent: fc.integer({ min: 0, max: 3 }),
    })
    fc.assert(
      fc.property(document, ({ before, files, data, after, cuts, indent }) => {
        const body = (content: string) => ({
          before,
          _attachments: Object.fromEntries(
            files.map((file) => [file, { content_type: 'x', data: content, length: 1 }]),
          ),
          after,
        })
        const json = JSON.stringify(body(data), null, indent)
        const { text, attachments } = scan(json, cuts)
        expect(text).toBe(JSON.stringify(body(''), null, indent))
        const expected = Object.keys(body('')._attachments).map((file) => ({ file, data, closed: true }))
        expect(attachments).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })
})
