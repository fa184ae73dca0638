import { promisify } from 'node:util'
import { gzip, zstdCompress } from 'node:zlib'

import type { Document } from '../kv-store.ts'
import { LIMITS } from '../limits.ts'

/** A content coding that documents are kept in; '' is none. */
export type Coding = Document['encoding']

/**
 * What a list header (Accept, Accept-Encoding) names, in lower case, with its weight (RFC 9110 §12.4.2): 1 without one, 0 for one that
 * is malformed.
 */
export function weightsOf(header: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>()
  for (const item of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim())
    if (name !== '') weights.set(name, weightIn(parameters))
  }
  return weights
}

const WEIGHT = /^q=(?<value>0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/

function weightIn(parameters: readonly string[]): number {
  const parameter = parameters.find((text) => text.startsWith('q='))
  return parameter === undefined ? 1 : Number(WEIGHT.exec(parameter)?.groups?.['value'] ?? 0)
}

/** The smallest coding that an Accept-Encoding header takes and ranks highest, or none. */
export const chooseCoding = remembered((acceptEncoding = ''): Coding => {
  const weights = weightsOf(acceptEncoding)
  const zstd = weights.get('zstd') ?? 0
  const gzipped = weights.get('gzip') ?? weights.get('x-gzip') ?? 0
  if (zstd > 0 && zstd >= gzipped) return 'zstd'
  return gzipped > 0 ? 'gzip' : ''
})

const COMPRESS = { gzip: promisify(gzip), zstd: promisify(zstdCompress) }

/** A document's text in a coding, compressed in the thread pool: it may have megabytes. */
export async function encodeText(text: string, coding: Coding): Promise<string | Uint8Array> {
  return coding === '' ? text : COMPRESS[coding](text)
}

/** Clients of one kind send one header for ever: a handful of answers saves the grammar on every request. */
export function remembered<T>(answer: (header: string | undefined) => T): (header: string | undefined) => T {
  const known = new Map<string | undefined, T>()
  return (header) => {
    const before = known.get(header)
    if (before !== undefined) return before
    const given = answer(header)
    if (known.size < LIMITS.headersRemembered) known.set(header, given)
    return given
  }
}
