import { gzipSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { parseJson, readJson, readText } from '../../../src/http/body.ts'

function sent(bytes: Uint8Array, headers: Record<string, string> = {}) {
  return {
    headers: new Headers(headers),
    async *body(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.byteLength; at += 7) yield bytes.subarray(at, at + 7)
    },
  }
}

describe('readText', () => {
  it('joins the pieces of a character that was cut', async () => {
    expect(await readText(sent(Buffer.from('grüße, 日本')), 100)).toBe('grüße, 日本')
  })

  it('refuses bytes that are not UTF-8', async () => {
    await expect(readText(sent(Buffer.from([0x61, 0xff])), 100)).rejects.toMatchObject({ status: 400 })
  })

  it('takes gzip off, and bounds what comes out of it', async () => {
    const zeros = gzipSync(Buffer.alloc(100_000, 0x20))
    expect(await readText(sent(gzipSync('hello'), { 'content-encoding': 'gzip' }), 100)).toBe('hello')
    await expect(readText(sent(zeros, { 'content-encoding': 'gzip' }), 1000)).rejects.toMatchObject({ status: 413 })
  })

  it('refuses gzip that is cut or no gzip at all, and other codings', async () => {
    const gzip = { 'content-encoding': 'gzip' }
    await expect(readText(sent(gzipSync('hello').subarray(0, 12), gzip), 100)).rejects.toMatchObject({ status: 400 })
    await expect(readText(sent(Buffer.from('hello there'), gzip), 100)).rejects.toMatchObject({ status: 400 })
    await expect(readText(sent(Buffer.from('x'), { 'content-encoding': 'br' }), 100)).rejects.toMatchObject({
      status: 415,
    })
  })
})

describe('parseJson', () => {
  it('parses JSON', async () => {
    expect(await readJson(sent(Buffer.from('{"a":[1,"}]"]}')), 100)).toEqual({ a: [1, '}]'] })
  })

  it.each(['{', 'undefined', '{"a":1}x', ''])('refuses %j', (text) => {
    expect(() => parseJson(text)).toThrow(expect.objectContaining({ status: 400 }))
  })

  it('refuses a __proto__ key at any depth, however it is spelled', () => {
    expect(() => parseJson('{"__proto__":{"polluted":1}}')).toThrow(expect.objectContaining({ status: 400 }))
    for (const key of ['\\u005f_proto__', '__\\u0070roto__', '__pr\\u006Fto__', '__p\\u0072oto_\\u005F']) {
      expect(() => parseJson(`{"a":[{"${key}":1}]}`)).toThrow(expect.objectContaining({ status: 400 }))
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('refuses a million open brackets without ending the stack', () => {
    expect(() => parseJson('['.repeat(1_000_000))).toThrow(expect.objectContaining({ status: 400 }))
    expect(() => parseJson('{"a":'.repeat(200))).toThrow(expect.objectContaining({ status: 400 }))
  })

  it('refuses millions of small values, which would stop every other request', () => {
    for (const value of ['0', '[]', '{}', '"k":0'])
      expect(() => parseJson(`[${`${value},`.repeat(1_000_000)}0]`)).toThrow(expect.objectContaining({ status: 413 }))
    expect(parseJson(JSON.stringify({ a: ',[{'.repeat(1_000_000) }))).toMatchObject({ a: expect.any(String) })
  })

  it('does not count brackets in strings', () => {
    expect(parseJson(JSON.stringify('[\\"{'.repeat(500)))).toBe('[\\"{'.repeat(500))
  })
})
