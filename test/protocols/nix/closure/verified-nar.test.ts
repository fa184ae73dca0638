import { expect, it } from 'vitest'

import { verifiedNar } from '../../../../protocols/nix/closure/verified-nar.ts'
import { fileNar, sha256Hex } from '../../../helpers/nar.ts'

const NAR = fileNar('some content')
const FACTS = { narHash: sha256Hex(NAR), narSizeBytes: NAR.byteLength }

/** What came, and what then went wrong. */
async function read(
  bytes: Uint8Array,
  pieceBytes: number,
): Promise<{ readonly came: number; readonly error?: string }> {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
  }
  let came = 0
  try {
    for await (const piece of verifiedNar(FACTS, pieces())) came += piece.byteLength
    return { came }
  } catch (error) {
    return { came, error: String(error) }
  }
}

it.each([1, 7, 64, 10_000])(
  'an archive passes in pieces of %s bytes; of another one something is always missing',
  async (pieceBytes) => {
    expect(await read(NAR, pieceBytes)).toEqual({ came: NAR.byteLength })
    const other = fileNar('same content')
    const wrong = await read(other, pieceBytes)
    expect(wrong.error).toContain('its archive is damaged: it is not sha256:')
    expect(wrong.came).toBeLessThan(NAR.byteLength)
    expect((await read(NAR.subarray(0, -8), pieceBytes)).error).toContain(
      `it ends after ${NAR.byteLength - 8} of ${NAR.byteLength} bytes`,
    )
    expect((await read(Buffer.concat([NAR, NAR]), pieceBytes)).error).toContain('it is longer')
  },
)
