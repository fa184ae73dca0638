import type { Algorithm, Hashes } from '../../../src/client/saved-files.ts'
import { malformed } from './lock-error.ts'

/** What lock files name, by the length of its digest in hex. What is broken, md5 and sha1, names no file for certain, but is all that old indexes have. */
const HEX_LENGTHS: Readonly<Record<Algorithm, number>> = {
  md5: 32,
  sha1: 40,
  sha224: 56,
  sha256: 64,
  sha384: 96,
  sha512: 128,
}

/** `sha256:<hex>` in one spelling. @throws DepotError `BAD_REQUEST` for any other form */
export function parseHash(where: string, text: string): string {
  const [algorithm, hex] = split(where, text)
  return `${algorithm}:${hex}`
}

/** @throws DepotError `BAD_REQUEST` */
export function hashesOf(where: string, texts: readonly string[]): Hashes {
  return Object.fromEntries(texts.map((text) => split(where, text)))
}

function split(where: string, text: string): readonly [Algorithm, string] {
  const [, algorithm = '', hex = ''] = /^([a-z0-9]+)[:=]([0-9a-f]+)$/i.exec(text) ?? []
  const name = algorithm.toLowerCase()
  if (isAlgorithm(name) && hex.length === HEX_LENGTHS[name]) return [name, hex.toLowerCase()]
  throw malformed(where, `'${text.slice(0, 200)}' is no hash such as sha256:<64 hexadecimal digits>`)
}

function isAlgorithm(name: string): name is Algorithm {
  return Object.hasOwn(HEX_LENGTHS, name)
}
