import { DepotError } from '../../../src/errors.ts'
import { isPolluting } from '../package-name.ts'
import { parseTag, parseVersion } from '../version.ts'

/** Members of a JSON object, own ones only. */
export type Members = Readonly<Record<string, unknown>>

/** What a registry says of a package, or what was saved of that. */
export interface UpstreamPackument {
  readonly name: string
  /** All of it, as it came. */
  readonly document: Members
  /** Manifests by version, as they came. What is no version of this package is not among them. */
  readonly versions: ReadonlyMap<string, Members>
  readonly tags: ReadonlyMap<string, string>
}

/**
 * Read a packument. Nothing in it is believed that names another package: the name decides where things are written.
 *
 * @throws DepotError `BAD_REQUEST` when it is none, `CONTENT_MISMATCH` when it is one of another package
 */
export function parseUpstreamPackument(name: string, text: string): UpstreamPackument {
  const document = parseObject(name, text)
  if (document['name'] !== name) {
    const said = typeof document['name'] === 'string' ? `of '${document['name'].slice(0, 200)}'` : 'without a name'
    throw new DepotError('CONTENT_MISMATCH', `asked for ${name}, the registry answers with a document ${said}`)
  }
  const versions = new Map<string, Members>()
  for (const [version, manifest] of Object.entries(membersIn(document, 'versions'))) {
    if (parseVersion(version) === undefined || !isMembers(manifest)) continue
    if (manifest['name'] === name && manifest['version'] === version) versions.set(version, manifest)
  }
  const tags = new Map<string, string>()
  for (const [tag, version] of Object.entries(membersIn(document, 'dist-tags')))
    if (typeof version === 'string' && parseTag(tag) !== undefined) tags.set(tag, version)
  return { name, document, versions, tags }
}

/** A member that is an object, else an empty one; never what an object inherits. */
export function membersIn(members: Members, key: string): Members {
  const value = Object.hasOwn(members, key) ? members[key] : undefined
  return isMembers(value) ? value : {}
}

/** A member that is a text with something in it. */
export function textIn(members: Members, key: string): string | undefined {
  const value = Object.hasOwn(members, key) ? members[key] : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The members that are texts: names with what is said of them. */
export function textsIn(members: Members, key: string): readonly (readonly [string, string])[] {
  return Object.entries(membersIn(members, key)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string' && !isPolluting(entry[0]),
  )
}

export function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseObject(name: string, text: string): Members {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new DepotError('BAD_REQUEST', `what the registry says of ${name} is not JSON`, { cause })
  }
  if (!isMembers(value)) throw new DepotError('BAD_REQUEST', `what the registry says of ${name} is no packument`)
  return value
}
