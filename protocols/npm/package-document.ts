import { z } from 'zod'

import { breath } from '../../src/breath.ts'
import { DepotError } from '../../src/errors.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { LIMITS } from '../../src/limits.ts'
import { DocumentScanner } from './document-scanner.ts'

/** What a packument that comes back from a client asks to be changed. */
export interface PackageDocument {
  /** The `_rev` of the packument that it was made from. */
  readonly revision: string | undefined
  /** The versions that it still has; undefined when it does not speak of them. */
  readonly versions: ReadonlySet<string> | undefined
  /** By version: why not to use it; empty text for one that may be used again. */
  readonly deprecated: ReadonlyMap<string, string>
  readonly tags: Readonly<Record<string, string>> | undefined
  /** As it was sent: what publishers wrote there comes back as it is, so only a change is looked at (`parseMaintainers`). */
  readonly maintainers: unknown
  /** Names of those who starred the package. */
  readonly users: ReadonlySet<string> | undefined
}

/** Somebody that a package names as an owner. */
export type Maintainer = z.infer<typeof maintainerSchema>

const WORDS = z.string().max(LIMITS.npmNameLengthMax)
const maintainerSchema = z.object({ name: WORDS.min(1), email: WORDS.optional() })

/** @throws DepotError `BAD_REQUEST` */
export function parseMaintainers(value: unknown): readonly Maintainer[] {
  return parseAs(z.array(maintainerSchema).min(1).max(LIMITS.npmMaintainersMax), value, 'maintainers')
}

/**
 * Read the packument of `name` as `npm deprecate`, `npm owner`, `npm star` and `npm unpublish` send it back. Other requests are served
 * between any two pieces.
 *
 * @throws DepotError `BAD_REQUEST`, `TOO_LARGE`, and `CONTENT_MISMATCH` (400) for that of another package
 */
export async function readPackageDocument(name: string, pieces: Iterable<Uint8Array>): Promise<PackageDocument> {
  const scanner = new DocumentScanner()
  for (const piece of pieces) {
    scanner.push(piece)
    await breath()
  }
  const { fields, versions, deprecated } = scanner.end()
  requireFew(fields.get('dist-tags'), LIMITS.npmTagsPerPackageMax, 'dist-tags')
  requireFew(fields.get('users'), LIMITS.npmStarsMax, 'users')
  const { _id, _rev, name: named, ...rest } = parseAs(documentSchema, Object.fromEntries(fields), 'the document')
  for (const actual of [_id, named]) {
    if (actual === undefined || actual === name) continue
    const message = `the URL names ${name}, but the document is of ${actual.slice(0, 500)}`
    throw new DepotError('CONTENT_MISMATCH', message, { status: 400 })
  }
  return {
    revision: _rev,
    versions,
    deprecated: new Map([...deprecated].filter((entry): entry is [string, string] => typeof entry[1] === 'string')),
    tags: rest['dist-tags'],
    maintainers: rest.maintainers,
    users: rest.users === undefined ? undefined : namesOf(rest.users),
  }
}

/** Before a schema looks at each. @throws DepotError `TOO_LARGE` */
function requireFew(table: unknown, most: number, what: string): void {
  if (typeof table === 'object' && table !== null && Object.keys(table).length > most)
    throw new DepotError('TOO_LARGE', `the document has more than ${most} ${what}`)
}

const documentSchema = z.object({
  _id: z.string().optional(),
  _rev: z.string().optional(),
  name: z.string().optional(),
  'dist-tags': z.record(z.string(), z.string()).optional(),
  maintainers: z.unknown().optional(),
  users: z.record(z.string(), z.unknown()).optional(),
})

function namesOf(users: Readonly<Record<string, unknown>>): ReadonlySet<string> {
  return new Set(Object.keys(users).filter((user) => users[user] === true))
}
