import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { readMultipart } from '../../../protocols/python/multipart.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { BOUNDARY, form } from '../../helpers/python-upload.ts'

const TYPE = `multipart/form-data; boundary=${BOUNDARY}`

interface Read {
  readonly name: string
  readonly filename: string | undefined
  readonly content: string
}

async function* pieces(body: Uint8Array, sizes: readonly number[] = []): AsyncGenerator<Uint8Array> {
  let offset = 0
  for (const size of sizes) {
    if (offset >= body.byteLength) return
    yield body.subarray(offset, offset + size)
    offset += size
  }
  yield body.subarray(offset)
}

async function read(body: AsyncIterable<Uint8Array>, contentType: string | null = TYPE): Promise<Read[]> {
  const parts: Read[] = []
  for await (const { name, filename, body: content } of readMultipart(body, contentType)) {
    parts.push({
      name,
      filename,
      content: Buffer.concat(await Array.fromAsync(content, (piece) => Buffer.from(piece))).toString('latin1'),
    })
  }
  return parts
}

async function refusal(body: string | Uint8Array, contentType: string | null = TYPE): Promise<string> {
  const outcome = await read(pieces(Buffer.from(body as string)), contentType).catch((error: unknown) => error)
  if (!(outcome instanceof DepotError)) throw new Error(`not refused: ${JSON.stringify(outcome)}`)
  return outcome.code
}

const part = (headers: string, content = 'x') => `--${BOUNDARY}\r\n${headers}\r\n\r\n${content}\r\n--${BOUNDARY}--\r\n`

describe('a multipart form', () => {
  it('gives fields and files in order', async () => {
    const { body } = form(
      [
        ['name', 'a'],
        ['empty', ''],
      ],
      [{ name: 'content', filename: 'a b.whl', bytes: Buffer.from('\r\n--bytes\r\n') }],
    )
    expect(await read(pieces(body))).toEqual([
      { name: 'name', filename: undefined, content: 'a' },
      { name: 'empty', filename: undefined, content: '' },
      { name: 'content', filename: 'a b.whl', content: '\r\n--bytes\r\n' },
    ])
  })

  it('reads the same however its bytes are cut', async () => {
    const bytes = fc.array(
      fc.constantFrom('\r', '\n', '\r\n', '-', '--', `\r\n--${BOUNDARY.slice(0, -1)}`, BOUNDARY, 'x'),
      { maxLength: 12 },
    )
    const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(bytes, cuts, async (content, sizes) => {
        const text = content.join('')
        // Content never holds the delimiter itself: whoever writes a form chooses another boundary then.
        fc.pre(!`\r\n${text}`.includes(`\r\n--${BOUNDARY}`))
        const { body } = form([['a', '1']], [{ name: 'content', filename: 'f', bytes: Buffer.from(text) }])
        expect(await read(pieces(body, sizes))).toEqual([
          { name: 'a', filename: undefined, content: '1' },
          { name: 'content', filename: 'f', content: text },
        ])
      }),
      { numRuns: 300 },
    )
  })

  it('skips what nobody reads, a preamble and an epilogue', async () => {
    const { body } = form(
      [
        ['a', '1'],
        ['b', '2'],
      ],
      [],
    )
    const names: string[] = []
    const whole = Buffer.concat([Buffer.from('preamble\r\n'), body, Buffer.from('epilogue')])
    for await (const { name } of readMultipart(pieces(whole, [5, 5, 5]), TYPE)) names.push(name)
    expect(names).toEqual(['a', 'b'])
  })

  it('is refused when it ends before its last boundary, wherever that is', async () => {
    const { body } = form([['a', '1']], [{ name: 'content', filename: 'f', bytes: Buffer.from('content') }])
    for (let length = 0; length < body.byteLength - 2; length++) {
      expect(await refusal(body.subarray(0, length))).toBe('BODY_TRUNCATED')
    }
  })

  it.each([
    null,
    '',
    'application/json',
    'multipart/form-data',
    'multipart/form-data; boundary=',
    `multipart/mixed; boundary=${BOUNDARY}`,
    `multipart/form-data; boundary="${'x'.repeat(71)}"`,
    'multipart/form-data; boundary="a\r\nb"',
  ])('is refused with the content type %j', async (contentType) => {
    expect(await refusal(part('Content-Disposition: form-data; name="a"'), contentType)).toBe('BAD_REQUEST')
  })

  it.each([
    ['none', 'Content-Type: text/plain'],
    ['an empty one', ''],
    ['no name', 'Content-Disposition: form-data; filename="x"'],
    ['another disposition', 'Content-Disposition: attachment; name="a"'],
    ['two names', 'Content-Disposition: form-data; name="a"; name="b"'],
    [
      'two headers of that name',
      'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"',
    ],
    ['an open quote', 'Content-Disposition: form-data; name="a'],
    ['something between', 'Content-Disposition: form-data; name="a" junk; filename="b"'],
  ])('is refused when a part has %s for its disposition', async (_what, headers) => {
    expect(await refusal(part(headers))).toBe('BAD_REQUEST')
  })

  it('gives names as they were sent, unquoted and never shortened', async () => {
    const named = async (parameter: string) =>
      (await read(pieces(Buffer.from(part(`Content-Disposition: form-data; name=content; filename=${parameter}`)))))[0]
        ?.filename
    expect(await named('"../a/b.whl"')).toBe('../a/b.whl')
    expect(await named('"a\\"b"')).toBe('a"b')
    expect(await named('"a\\\\b"')).toBe('a\\b')
    expect(await named('plain.whl')).toBe('plain.whl')
  })

  it('is refused with a transfer encoding that would change its bytes', async () => {
    const headers = 'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: '
    expect(await refusal(part(`${headers}base64`))).toBe('UNSUPPORTED_CODEC')
    expect(await read(pieces(Buffer.from(part(`${headers}binary`))))).toHaveLength(1)
  })

  it('is refused with headers or parts without end', async () => {
    expect(await refusal(part(`Content-Disposition: form-data; name="${'a'.repeat(LIMITS.headerBytesMax)}"`))).toBe(
      'TOO_LARGE',
    )
    const many = form(
      Array.from({ length: LIMITS.formFieldsMax + 1 }, () => ['a', ''] as const),
      [],
    )
    expect(await refusal(many.body)).toBe('TOO_LARGE')
  })

  it('closes the body when its reader stops', async () => {
    let closed = false
    async function* body(): AsyncGenerator<Uint8Array> {
      try {
        yield* pieces(
          form(
            [
              ['a', '1'],
              ['b', '2'],
            ],
            [],
          ).body,
          [40],
        )
      } finally {
        closed = true
      }
    }
    for await (const { name } of readMultipart(body(), TYPE)) if (name === 'a') break
    expect(closed).toBe(true)
  })
})
