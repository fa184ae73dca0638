import type { SavedFolder } from '../../../src/client/saved-files.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { parseDerivation, type Derivation } from '../closure/derivation.ts'
import { LENGTH_BYTES, NAR_MAGIC, narStrings } from '../nar-format.ts'
import { printStorePath } from '../store-path.ts'
import { decodedNar } from './check-nar.ts'
import type { HeldPath } from './held.ts'

/**
 * Read a derivation that was saved.
 *
 * @throws DepotError `CONTENT_MISMATCH` when it is none, `TOO_LARGE` above `LIMITS.derivationBytesMax`
 */
export async function readDerivation(folder: SavedFolder, { facts, file }: HeldPath): Promise<Derivation> {
  const name = printStorePath(facts.baseName)
  if (facts.narSizeBytes > LIMITS.derivationBytesMax)
    throw new DepotError('TOO_LARGE', `${name} has more than ${LIMITS.derivationBytesMax} bytes`)
  const saved = await folder.find(file.path)
  if (saved === undefined) throw new DepotError('NOT_FOUND', `the archive of ${name} is no longer in the folder`)
  const blob = await saved.blob()
  const pieces: Uint8Array[] = []
  for await (const piece of decodedNar(file.codec, blob.stream())) pieces.push(Uint8Array.from(piece))
  const archive = Buffer.concat(pieces)
  if (!archive.subarray(0, PLAIN_FILE.byteLength).equals(PLAIN_FILE))
    throw new DepotError('CONTENT_MISMATCH', `${name} is no plain file`)
  const start = PLAIN_FILE.byteLength + LENGTH_BYTES
  const length = Number(archive.readBigUInt64LE(PLAIN_FILE.byteLength))
  return parseDerivation(archive.subarray(start, start + length).toString('latin1'))
}

/** The archive of a plain file that is no program, up to the length of its content. */
const PLAIN_FILE = narStrings(NAR_MAGIC, '(', 'type', 'regular', 'contents')
