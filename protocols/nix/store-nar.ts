import { crc32 } from 'node:zlib'

import { decode, type Codec } from '../../src/codec/decode.ts'
import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { auditEntry, type Caller, type DepotRequest } from '../../src/protocol.ts'
import { LENGTH_BYTES, NAR_MAGIC, narStrings } from './nar-format.ts'
import { createNarParser } from './nar-parser.ts'
import { NAR_SUFFIX, type NarName } from './nar-name.ts'
import { nix32OfHex } from './nix32.ts'
import { UPLOAD_KIND, type Upload } from './records.ts'

/** How an archive begins that is not compressed: its first string, without the zeros behind it. */
const HEAD = narStrings(NAR_MAGIC).subarray(0, LENGTH_BYTES + NAR_MAGIC.length)

/**
 * Take in an archive, however it is compressed, and remember the name it was sent under. Whole, or no trace of it.
 *
 * @throws DepotError `CONTENT_MISMATCH` when it is no archive, not whole or not what its name says; `UNSUPPORTED_CODEC`
 */
export async function storeNar(
  depot: Depot,
  request: Caller & Pick<DepotRequest, 'body'>,
  name: NarName,
): Promise<'created' | 'unchanged'> {
  const { cache } = request
  const coding = name.suffix === NAR_SUFFIX.br ? 'br' : undefined
  const decoding = await decode(request.body(LIMITS.blobBytesMax), HEAD, coding)
  const parser = createNarParser()
  // Only a gzip file that is written around the archive later asks for it.
  let crc = 0
  const inspect = (bytes: Uint8Array): void => {
    parser.push(bytes)
    if (decoding.codec === 'gzip') crc = crc32(bytes, crc)
  }
  // What a decoder hands out lies in memory that it writes to again.
  const freesContent = decoding.codec === 'none'
  await using staged = await depot.stage(cache, decoding.content, { encoding: 'zstd', inspect, freesContent })
  parser.end()
  const { sizeBytes: fileSizeBytes, sha256: fileHash = staged.digest } = decoding.wire()
  checkName(name, { fileHash, narHash: staged.digest, codec: decoding.codec })
  const upload: Upload = {
    codec: decoding.codec,
    fileHash,
    fileSizeBytes,
    narHash: staged.digest,
    narSizeBytes: staged.sizeBytes,
    crc,
  }
  const known = await depot.get(cache, UPLOAD_KIND, name.fileName)
  const row = await staged.publish()
  await depot.commit(cache, {
    puts: [{ kind: UPLOAD_KIND, key: name.fileName, value: JSON.stringify(upload), refs: [row.digest] }],
    blobs: [row],
    audit: [auditEntry(request, { action: 'nix:write', resource: `nar/${name.fileName}`, digest: row.digest })],
  })
  depot.events.recordWritten('nix', name.fileName)
  return known === undefined ? 'created' : 'unchanged'
}

function checkName(
  name: NarName,
  is: { readonly fileHash: string; readonly narHash: string; readonly codec: Codec },
): void {
  if (name.digest === is.fileHash) return
  if (name.digest !== is.narHash) {
    const [file, archive] = [nix32OfHex(is.fileHash), nix32OfHex(is.narHash)]
    throw new DepotError(
      'CONTENT_MISMATCH',
      `the name says ${nix32OfHex(name.digest)}, but the sha256 of the file is ${file} and that of the archive in it ${archive}`,
    )
  }
  // `<NarHash>.nar` is the archive itself for everybody who reads it, so that nobody may put a compressed one there.
  if (name.suffix !== NAR_SUFFIX[is.codec])
    throw new DepotError('CONTENT_MISMATCH', `the file is compressed with ${is.codec}, which its suffix does not say`)
}
