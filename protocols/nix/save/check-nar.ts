import { createHash } from 'node:crypto'

import { decodeAs, type Codec } from '../../../src/codec/decode.ts'
import { DepotError } from '../../../src/errors.ts'
import type { PathFacts } from '../closure/path-source.ts'
import { addressedHash, contentDigest, parseContentAddress, type ContentAddress } from '../content-address.ts'
import { createNarParser } from '../nar-parser.ts'
import { nix32OfHex } from '../nix32.ts'
import { parseBaseName, printStorePath } from '../store-path.ts'

/** What a file of an archive holds; iterate it once. */
export function decodedNar(codec: Codec, file: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return codec === 'none' ? file : decodeAs(codec, file)
}

/**
 * Hold the file of an archive to what is told of its path: decoded it must be one whole Nix archive, of the size and the hash that are
 * signed, and have the content address, where there is one.
 *
 * @param file may be read more than once
 * @throws DepotError `CONTENT_MISMATCH`
 */
export async function checkNar(facts: PathFacts, codec: Codec, file: () => AsyncIterable<Uint8Array>): Promise<void> {
  const parser = createNarParser()
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const bytes of decodedNar(codec, file())) {
    sizeBytes += bytes.byteLength
    // Whoever made a bomb of it told less.
    if (sizeBytes > facts.narSizeBytes)
      throw mismatch(facts, `has more than the ${facts.narSizeBytes} bytes of NarSize`)
    hash.update(bytes)
    parser.push(bytes)
  }
  parser.end()
  const narHash = hash.digest('hex')
  if (sizeBytes < facts.narSizeBytes) throw mismatch(facts, `has ${sizeBytes} bytes instead of ${facts.narSizeBytes}`)
  if (narHash !== facts.narHash)
    throw mismatch(facts, `has the hash sha256:${nix32OfHex(narHash)} instead of sha256:${nix32OfHex(facts.narHash)}`)
  const address = addressOf(facts)
  if (address !== undefined && !(await hasDigest(facts, address, () => decodedNar(codec, file()))))
    throw mismatch(facts, `is not what its content address ${facts.ca} says`)
}

/**
 * Whether a path is named by its content, so that it needs nobody's signature: its archive is held to that by `checkNar`.
 *
 * @throws DepotError `CONTENT_MISMATCH` when the address that is told gives another name
 */
export function namedByContent(facts: PathFacts): boolean {
  const address = addressOf(facts)
  if (address === undefined) return false
  const storePath = parseBaseName(facts.baseName)
  if (storePath !== undefined && addressedHash(address, storePath, facts.references) === storePath.hash) return true
  throw new DepotError(
    'CONTENT_MISMATCH',
    `its content address ${facts.ca} does not belong to ${printStorePath(facts.baseName)}`,
  )
}

function addressOf({ ca }: PathFacts): ContentAddress | undefined {
  return ca === undefined ? undefined : parseContentAddress(ca)
}

async function hasDigest(
  { baseName, references, narHash }: PathFacts,
  address: ContentAddress,
  archive: () => AsyncIterable<Uint8Array>,
): Promise<boolean> {
  const selfHash = references.includes(baseName) ? parseBaseName(baseName)?.hash : undefined
  if (address.method === 'nar' && address.algorithm === 'sha256' && selfHash === undefined)
    return address.digest === narHash
  return (await contentDigest(address, archive(), { selfHash })) === address.digest
}

function mismatch({ baseName }: PathFacts, how: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', `the archive of ${printStorePath(baseName)} ${how}`)
}
