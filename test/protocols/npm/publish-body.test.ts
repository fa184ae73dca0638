import { describe, expect, it } from 'vitest'

import { readPublishBody } from '../../../protocols/npm/publish-body.ts'
import { LIMITS } from '../../../src/limits.ts'

async function* stream(text: string, sizeBytes = 7): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  // One buffer for all pieces, as a careful server would have it: who keeps a view sees it change.
  const shared = Buffer.alloc(sizeBytes)
  for (let at = 0; at < bytes.length; at += sizeBytes) {
    const length = bytes.copy(shared, 0, at, at + sizeBytes)
    yield shared.subarray(0, length)
  }
}

async function collect(tarball: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of tarball) pieces.push(Uint8Array.from(piece))
  return Buffer.concat(pieces).toString()
}

const BODY = {
  _attachments: { 'a-1.0.0.tgz': { data: Buffer.from('bytes of a tarball').toString('base64') } },
  name: 'a',
}

describe('the body of a publish', () => {
  it('comes apart into the tarball and all the rest', async () => {
    expect(await readPublishBody(stream(JSON.stringify(BODY)), collect)).toEqual({
      document: { _attachments: { 'a-1.0.0.tgz': { data: '' } }, name: 'a' },
      tarball: { file: 'a-1.0.0.tgz', taken: 'bytes of a tarball' },
    })
  })

  it('may have no tarball, and is its text then', async () => {
    const body = await readPublishBody(stream('{"name":"a","_attachments":{}}'), collect)
    expect(body.tarball).toBeUndefined()
    expect('text' in body && Buffer.concat(body.text).toString()).toBe('{"name":"a","_attachments":{}}')
  })

  it.each([
    ['{"_attachments":{"f":{"data":"QUJD"}}', 'BAD_REQUEST'],
    ['{"_attachments":{"f":{"data":"QUJD"}},not JSON}', 'BAD_REQUEST'],
    [`${JSON.stringify(BODY)}junk`, 'BAD_REQUEST'],
    ['{"_attachments":{"f":{"data":"QUJD', 'BODY_TRUNCATED'],
    ['{"_attachments":{"f":{"data":"QUJ"}}}', 'BAD_REQUEST'],
    ['{"_attachments":{"f":{"data":"QUJD"},"g":{"data":"QUJD"}}}', 'BAD_REQUEST'],
    ['{"_attachments":{"f":{"data":"QUJD"}},"_attachments":{"f":{"data":"QUJD"}}}', 'BAD_REQUEST'],
    ['{"_attachments":{"f":{"data":"QUJD"}},"__proto__":{"polluted":true}}', 'BAD_REQUEST'],
    [`{"_attachments":{"f":{"data":"QUJD"}},"a":${'['.repeat(100_000)}`, 'BAD_REQUEST'],
  ])('is refused as %#', async (text, code) => {
    await expect(readPublishBody(stream(text, 1000), collect)).rejects.toMatchObject({ code })
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('is UTF-8', async () => {
    async function* latin1(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('{"_attachments":{"f":{"data":"QUJD"}},"name":"\u00e9"}', 'latin1')
    }
    await expect(readPublishBody(latin1(), collect)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  })

  it.each([
    ['with a tarball', '{"_attachments":{"f":{"data":"QUJD"}},"readme":"', LIMITS.npmManifestBytesMax],
    ['without a tarball', '{"readme":"', LIMITS.npmDocumentBytesMax],
  ])('is bounded %s', async (_what, begin, limitBytes) => {
    let sent = 0
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(begin)
      const piece = Buffer.alloc(1024 * 1024, 'a')
      for (; sent <= 2 * limitBytes; sent += piece.length) yield piece
    }
    const outcome = await readPublishBody(endless(), collect).catch((error: unknown) => error)
    expect(outcome).toMatchObject({ code: 'TOO_LARGE' })
    expect(sent).toBeLessThanOrEqual(limitBytes)
  })

  it('ends its source when whoever takes the tarball gives up', async () => {
    let ended = false
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield* stream(JSON.stringify(BODY))
      } finally {
        ended = true
      }
    }
    const giveUp = () => Promise.reject(new Error('disk on fire'))
    await expect(readPublishBody(source(), giveUp)).rejects.toThrow('disk on fire')
    expect(ended).toBe(true)
  })
})
