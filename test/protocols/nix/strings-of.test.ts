import { describe, expect, it } from 'vitest'

import { stringsOf } from '../../../protocols/nix/strings-of.ts'
import { narLength } from '../../../protocols/nix/nar-format.ts'

/** Pieces in one piece of memory, as decoders give them: each is overwritten when the next one is asked for. */
async function* inOneBuffer(bytes: Uint8Array, piece: number): AsyncGenerator<Uint8Array> {
  const shared = new Uint8Array(piece)
  for (let at = 0; at < bytes.byteLength; at += piece) {
    const part = bytes.subarray(at, at + piece)
    shared.fill(0xff)
    shared.set(part)
    yield shared.subarray(0, part.byteLength)
  }
}

async function read(bytes: AsyncIterable<Uint8Array>, lengthMax = 100): Promise<readonly string[]> {
  const strings: string[] = []
  for await (const string of stringsOf(bytes, lengthMax)) {
    const pieces = await Array.fromAsync(string, (piece) => Buffer.from(piece))
    strings.push(Buffer.concat(pieces).toString())
  }
  return strings
}

function joined(...strings: readonly string[]): Buffer {
  return Buffer.concat(strings.flatMap((string) => [narLength(string.length), Buffer.from(string)]))
}

describe('strings one behind the other', () => {
  it.each([1, 3, 5, 7, 8, 11, 64])('are read from pieces of %i bytes that share their memory', async (piece) => {
    const strings = ['eight by', '', 'sixteen bytes ab', 'twenty-four bytes abcdef']
    expect(await read(inOneBuffer(joined(...strings), piece))).toEqual(strings)
  })

  it('end where they say, and nowhere else', async () => {
    const whole = joined('eight by')
    for (let cut = 1; cut < whole.byteLength; cut++)
      await expect(read(inOneBuffer(whole.subarray(0, cut), 3))).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' })
    await expect(read(inOneBuffer(whole, 3), 7)).rejects.toMatchObject({ code: 'TOO_LARGE' })
  })
})
