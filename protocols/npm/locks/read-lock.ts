import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { readBerryLock } from './berry-lock.ts'
import { readBunLock } from './bun-lock.ts'
import type { LockEntries, LockEntry } from './lock-entries.ts'
import type { LockedPackage, LockedSource, ReadLock } from './locked-package.ts'
import { readPackageLock } from './package-lock.ts'
import { readPnpmLock } from './pnpm-lock.ts'
import { readYarn1Lock } from './yarn1-lock.ts'

/** The kind of lock file that a file's name says, or undefined when it is none. The two yarns share one name: their text tells. */
export function lockKindOf(filename: string): 'npm' | 'pnpm' | 'bun' | 'yarn' | undefined {
  return KINDS.find(([pattern]) => pattern.test(filename))?.[1]
}

/**
 * What a lock file names.
 *
 * @param filename its name or path: that says its kind, and stands in errors
 * @throws DepotError `BAD_REQUEST` with the file and the line for one that is malformed, of an unknown version or of no known kind;
 * `TOO_LARGE`
 */
export function readLock(filename: string, text: string): ReadLock {
  const { kind, packages, others } = readEntries(filename, text)
  return { kind, packages: onceEach(packages), others: onceEachSource(others) }
}

/** As `readLock`, with everything as often as it stands there, and where. @throws DepotError `BAD_REQUEST` */
export function readEntries(filename: string, text: string): LockEntries {
  const kind = lockKindOf(filename)
  if (kind === undefined)
    throw new DepotError('BAD_REQUEST', `${filename}: no lock file by its name; known are ${KNOWN}`)
  if (filename.endsWith('.lockb')) {
    const cure = 'bun install --save-text-lockfile --frozen-lockfile --lockfile-only makes a bun.lock of it'
    throw new DepotError('BAD_REQUEST', `${filename}: bun's binary lock file is not read; ${cure}`)
  }
  if (text.length > LIMITS.npmLockLengthMax) {
    const most = LIMITS.npmLockLengthMax / 1024 / 1024
    throw new DepotError('TOO_LARGE', `${filename}: a lock file of more than ${most} million characters is not read`)
  }
  const source = { filename, text }
  if (kind !== 'yarn') return READERS[kind](source)
  return /^__metadata:/m.test(text) ? readBerryLock(source) : readYarn1Lock(source)
}

const READERS = { npm: readPackageLock, pnpm: readPnpmLock, bun: readBunLock } as const

const KNOWN = 'package-lock.json, npm-shrinkwrap.json, pnpm-lock.yaml, yarn.lock and bun.lock'

const KINDS: readonly (readonly [RegExp, keyof typeof READERS | 'yarn'])[] = [
  [/(?:^|[/\\])(?:\.?package-lock|npm-shrinkwrap)\.json$/, 'npm'],
  [/(?:^|[/\\])pnpm-lock(?:\.[^/\\]+)?\.yaml$/, 'pnpm'],
  [/(?:^|[/\\])yarn\.lock$/, 'yarn'],
  [/(?:^|[/\\])bun\.lockb?$/, 'bun'],
]

/** A package may be installed in several places. It is optional when it is in all of them; one without integrity is any of the others. */
function onceEach(entries: readonly LockEntry[]): LockedPackage[] {
  const byKey = new Map<string, LockedPackage>()
  const byName = Map.groupBy(entries, ({ name, version }) => `${name}@${version}`)
  for (const [item, own] of byName) {
    const stated = own.some(({ integrity }) => integrity !== undefined)
    const optional = own.every((entry) => entry.optional)
    for (const { place: _place, ...entry } of own) {
      const key = `${item} ${entry.integrity ?? ''}`
      if (!byKey.has(key) && (entry.integrity !== undefined || !stated)) byKey.set(key, { ...entry, optional })
    }
  }
  return [...byKey.values()]
}

function onceEachSource(others: readonly LockedSource[]): LockedSource[] {
  const byItem = new Map<string, LockedSource>()
  for (const other of others) {
    const known = byItem.get(other.item)
    byItem.set(other.item, known === undefined || !known.breaks ? other : known)
  }
  return [...byItem.values()]
}
