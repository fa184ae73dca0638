import type { DeclaredHashes } from './integrity.ts'
import { unscoped } from './package-name.ts'
import { tarballPath } from './tarball-name.ts'
import { parseTag, parseVersion } from './version.ts'

/** What Verdaccio 6 keeps of a package in its `package.json`: hosted versions, and those that it took over from an uplink. */
export interface VerdaccioPackage {
  readonly versions: readonly VerdaccioVersion[]
  /** By version, and `created` and `modified`: ISO 8601 in UTC. Times that cannot be read are left out. */
  readonly time: ReadonlyMap<string, string>
  readonly tags: ReadonlyMap<string, string>
  readonly stars: readonly string[]
  readonly readme: string | undefined
  /** Members of `versions` that are none, and why. */
  readonly refused: readonly { readonly version: string; readonly reason: string }[]
  /** What `depot npm save` notes in a packument that it has cut down. */
  readonly depot: Readonly<Record<string, unknown>> | undefined
}

export interface VerdaccioVersion {
  readonly version: string
  /** As it was published. */
  readonly manifest: object
  /** Names that its tarball may have in the package's folder, the likeliest first. No path: nothing leads out of the folder. */
  readonly files: readonly string[]
  /** It comes from an uplink. */
  readonly cached: boolean
  /** Its tarball should be there: one that Verdaccio never fetched from its uplink is none that is missing. */
  readonly expected: boolean
  readonly declared: DeclaredHashes
  readonly deprecated: string | undefined
}

/** @throws Error that says why the text is not a package of this name */
export function parseVerdaccioPackage(name: string, text: string): VerdaccioPackage {
  return readKeptPackument(name, text, 'package.json')
}

/**
 * A packument that somebody keeps in a file: Verdaccio's package.json is one with more in it.
 *
 * @throws Error that names the file
 */
export function readKeptPackument(name: string, text: string, file: string): VerdaccioPackage {
  const document = parseObject(text, file)
  if (document['name'] !== name) throw new Error(`its ${file} is of another package`)
  const versions: VerdaccioVersion[] = []
  const refused: { version: string; reason: string }[] = []
  for (const [version, manifest] of Object.entries(objectIn(document, 'versions'))) {
    const reason = refusal(name, version, manifest)
    if (reason === undefined) versions.push(readVersion(name, version, manifest as Members, document))
    else refused.push({ version: version.slice(0, 100), reason })
  }
  const readme = document['readme']
  return {
    versions,
    time: new Map(stringsIn(document, 'time').flatMap(([what, time]) => utc(time).map((iso) => [what, iso]))),
    tags: new Map(stringsIn(document, 'dist-tags').filter(([tag]) => parseTag(tag) !== undefined)),
    stars: Object.entries(objectIn(document, 'users')).flatMap(([user, starred]) => (starred === true ? [user] : [])),
    readme: typeof readme === 'string' && readme !== '' && !NO_README.test(readme) ? readme : undefined,
    refused,
    depot: Object.hasOwn(document, '_depot') ? objectIn(document, '_depot') : undefined,
  }
}

type Members = Readonly<Record<string, unknown>>

/** What npm sends for a package that has none. */
const NO_README = /^ERROR: No README data found!$/

function refusal(name: string, version: string, manifest: unknown): string | undefined {
  if (parseVersion(version) === undefined) return 'that is not a version'
  if (!isObject(manifest)) return 'it has no manifest'
  if (manifest['name'] !== name || manifest['version'] !== version) return 'its manifest is of something else'
  return undefined
}

function readVersion(name: string, version: string, manifest: Members, document: Members): VerdaccioVersion {
  const dist = objectIn(manifest, 'dist')
  const named = textIn(dist, 'tarball')?.split('/').at(-1) ?? ''
  const usual = tarballPath(unscoped(name), version).split('/').at(-1) ?? ''
  // Some old packages of npmjs have tarballs of other names.
  const files = FILE.test(named) && named !== usual ? [usual, named] : [usual]
  const held = objectOf(objectIn(document, '_attachments'), files)
  const upstream = objectOf(objectIn(document, '_distfiles'), files)
  const shasum = textIn(dist, 'shasum') ?? textIn(held ?? {}, 'shasum') ?? textIn(upstream ?? {}, 'sha')
  return {
    version,
    manifest,
    files,
    cached: upstream !== undefined,
    expected: held !== undefined || upstream === undefined,
    declared: { integrity: textIn(dist, 'integrity'), shasum },
    deprecated: textIn(manifest, 'deprecated'),
  }
}

const FILE = /^[\w~!'()*@+-][\w~!'()*@+.-]*\.tgz$/

/** npmjs's mirrors give times in several forms; npm and pnpm read them all, a depot keeps one. */
function utc(time: string): string[] {
  if (UTC.test(time) && !Number.isNaN(Date.parse(time))) return [time]
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? [] : [date.toISOString()]
}

const UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/

function parseObject(text: string, file: string): Members {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error(`its ${file} is not JSON`)
  }
  if (!isObject(value)) throw new Error(`its ${file} is no packument`)
  return value
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A member that is an object, else an empty one; never what an object inherits. */
function objectIn(members: Members, key: string): Members {
  return objectOf(members, [key]) ?? {}
}

function objectOf(members: Members, keys: readonly string[]): Members | undefined {
  const key = keys.find((one) => Object.hasOwn(members, one))
  const value = key === undefined ? undefined : members[key]
  return isObject(value) ? value : undefined
}

function stringsIn(members: Members, key: string): [string, string][] {
  return Object.entries(objectIn(members, key)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  )
}

function textIn(members: Members, key: string): string | undefined {
  const value = Object.hasOwn(members, key) ? members[key] : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}
