import { DepotError } from '../../src/errors.ts'
import { parseDistribution, type Distribution } from './filename.ts'

/** A file of a wheelhouse by its name: a distribution, or why it is none for a depot. */
export type WheelhouseFile = { readonly distribution: Distribution } | { readonly reason: string }

/** What a file of a pypiserver folder, a wheelhouse or devpi's files is. The name is one of a file, not a path. */
export function recognise(filename: string): WheelhouseFile {
  try {
    return { distribution: parseDistribution(filename) }
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
    const kind = KINDS.find(([suffix]) => filename.toLowerCase().endsWith(suffix))
    return { reason: kind === undefined ? error.message : `${kind[1]}, which no index takes any more` }
  }
}

const KINDS = [
  ['.egg', 'it is an egg'],
  ['.exe', 'it is an installer'],
  ['.msi', 'it is an installer'],
  ['.rpm', 'it is an installer'],
  ['.tar.bz2', 'it is an sdist of an old kind'],
  ['.tar.z', 'it is an sdist of an old kind'],
  ['.tar.xz', 'it is an sdist of an old kind'],
  ['.tgz', 'it is an sdist of an old kind'],
  ['.asc', 'it is a signature'],
  ['.sig', 'it is a signature'],
] as const

/** What an export of devpi says of one of its files. */
export interface DevpiFile {
  /** Hex. */
  readonly sha256: string | undefined
  /** Milliseconds since 1970. */
  readonly uploadedMs: number | undefined
}

/**
 * The files of the `dataindex.json` that `devpi-export` writes (version 2), by their paths below it.
 *
 * @throws Error for what is none
 */
export function parseDevpiIndex(text: string): ReadonlyMap<string, DevpiFile> {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    throw new Error('it is not JSON')
  }
  const indexes = member(document, 'indexes')
  if (!isObject(indexes)) throw new Error('it is not one of devpi')
  const files = Object.values(indexes).flatMap((index) => listIn(index, 'files'))
  return new Map(files.flatMap((file) => readFile(file)))
}

function readFile(file: unknown): [string, DevpiFile][] {
  const at = member(file, 'relpath')
  if (typeof at !== 'string' || member(file, 'type') !== 'releasefile') return []
  const mapping = member(file, 'entrymapping')
  const sha256 = member(member(mapping, 'hashes'), 'sha256') ?? afterSha256(member(mapping, 'hash_spec'))
  const changed = member(mapping, 'last_modified')
  const uploads = listIn(file, 'log').flatMap(uploadedAt)
  const changedMs = typeof changed === 'string' ? Date.parse(changed) : NaN
  const times = uploads.length > 0 ? uploads : Number.isNaN(changedMs) ? [] : [changedMs]
  return [
    [
      at,
      {
        sha256: typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : undefined,
        uploadedMs: earliest(times),
      },
    ],
  ]
}

function earliest(times: readonly number[]): number | undefined {
  // A file that was uploaded again each night has more of them than a call has room for.
  return times.length === 0 ? undefined : times.reduce((one, other) => Math.min(one, other))
}

/** devpi 5 and before have one hash only. */
function afterSha256(spec: unknown): unknown {
  return typeof spec === 'string' && spec.startsWith('sha256=') ? spec.slice('sha256='.length) : undefined
}

/** Year, month, day, hour, minute, second in UTC, as devpi's history of a file has them. A push to another index is no upload. */
function uploadedAt(entry: unknown): number[] {
  const when = member(entry, 'when')
  if (member(entry, 'what') !== 'upload' || !Array.isArray(when) || when.length < 6) return []
  const [year, month, ...rest] = when.map(Number)
  const ms = Date.UTC(year ?? NaN, (month ?? NaN) - 1, ...rest.slice(0, 4))
  return Number.isNaN(ms) ? [] : [ms]
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function member(value: unknown, key: string): unknown {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
}

function listIn(value: unknown, key: string): readonly unknown[] {
  const list = member(value, key)
  return Array.isArray(list) ? list : []
}
