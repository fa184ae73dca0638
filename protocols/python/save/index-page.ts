import type { Algorithm, Hashes } from '../../../src/client/saved-files.ts'
import { DepotError } from '../../../src/errors.ts'

/** A file as an index lists it. */
export interface IndexFile {
  readonly filename: string
  /** Where it is: http or https. */
  readonly url: URL
  /** The strongest that the index gives, in lower case; none at all from old ones. */
  readonly hashes: Hashes
  readonly sizeBytes?: number
  /** `<url>.metadata` is there (PEP 658), with these digests. */
  readonly metadata?: Hashes
  readonly provenance?: URL
  /** What the index says of it, as a simple JSON page does (PEP 691). */
  readonly entry: Readonly<Record<string, unknown>>
}

/** A project's page of an index, in whatever form it came. */
export interface IndexPage {
  readonly files: readonly IndexFile[]
  /** PEP 792. */
  readonly status?: { readonly status: string; readonly reason?: string | undefined }
}

/** Clients refuse a page of a major version that they do not know (PEP 629). @throws DepotError `BAD_REQUEST` */
export function checkApiVersion(version: string): void {
  if (!/^1(?:\.\d+)?$/.test(version.trim()))
    throw new DepotError('BAD_REQUEST', `the index speaks version ${version.slice(0, 20)} of its protocol, not 1`)
}

/** An address in a page; undefined for what is none, and for all but http and https. */
export function addressIn(link: string, base: URL): URL | undefined {
  const url = URL.parse(link.trim(), base.href)
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:') ? url : undefined
}

const DIGITS: Readonly<Record<Algorithm, number>> = {
  sha512: 128,
  sha384: 96,
  sha256: 64,
  sha224: 56,
  sha1: 40,
  md5: 32,
}
const WEAK: ReadonlySet<string> = new Set(['sha1', 'md5', 'sha224'])

/** The digests among some fields: weak ones only when there is no other. */
export function strongHashes(fields: Iterable<readonly [string, unknown]>): Hashes {
  const found = [...fields].flatMap(([name, value]): [Algorithm, string][] => {
    const algorithm = name.toLowerCase()
    if (!isAlgorithm(algorithm) || typeof value !== 'string') return []
    return value.length === DIGITS[algorithm] && /^[0-9a-f]+$/i.test(value) ? [[algorithm, value.toLowerCase()]] : []
  })
  const strong = found.filter(([algorithm]) => !WEAK.has(algorithm))
  return Object.fromEntries(strong.length > 0 ? strong : found)
}

function isAlgorithm(name: string): name is Algorithm {
  return Object.hasOwn(DIGITS, name)
}

/** Digests that are written `sha256=…` or `sha256:…`. */
export function hashesIn(text: string): Hashes {
  const groups = /^(?<name>[a-z0-9]+)[=:](?<value>[0-9a-f]+)$/i.exec(text)?.groups
  return groups === undefined ? {} : strongHashes([[groups['name'] ?? '', groups['value']]])
}

/** The file's name in its address; undefined when it is not spelled in UTF-8, or there is none. */
export function lastName({ pathname }: URL): string | undefined {
  try {
    return decodeURIComponent(pathname.slice(pathname.lastIndexOf('/') + 1)) || undefined
  } catch {
    return undefined
  }
}
