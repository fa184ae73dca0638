import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import fc from 'fast-check'
import { expect, it } from 'vitest'

import { replaceBytes } from '../../../src/client/replace-bytes.ts'

async function replaced(text: string, pieceBytes: number, from: string, to: string): Promise<string> {
  const bytes = Buffer.from(text)
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, at) =>
    bytes.subarray(at * pieceBytes, (at + 1) * pieceBytes),
  )
  const output = await buffer(Readable.from(pieces).pipe(replaceBytes(Buffer.from(from), Buffer.from(to))))
  return output.toString()
}

it('replaces as a string would be, wherever the pieces end', async () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '"'), maxLength: 60 })
  const words = fc.string({ unit: fc.constantFrom('a', 'b', '"'), minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(letters, fc.integer({ min: 1, max: 7 }), words, letters, async (text, pieceBytes, from, to) => {
      expect(await replaced(text, pieceBytes, from, to)).toBe(text.replaceAll(from, () => to))
    }),
  )
})
