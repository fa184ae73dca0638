import { DepotError } from '../../../src/errors.ts'
import type { LockKind, ReadLock } from './locked-package.ts'

/** The kind of lock file that a file's name says, or undefined when it is none. The two yarns share one name: their text tells. */
export function lockKindOf(filename: string): LockKind | 'yarn' | undefined {
  return KINDS.find(([pattern]) => pattern.test(filename))?.[1]
}

/**
 * What a lock file names.
 *
 * @param filename its name or path: that says its kind, and stands in errors
 * @throws DepotError `BAD_REQUEST` with the file and the place for one that is malformed, of an unknown version or of no known kind
 */
export function readLock(filename: string, _text: string): ReadLock {
  throw new DepotError('BAD_REQUEST', `${filename}: ${lockKindOf(filename) ?? 'no'} lock file cannot be read yet`)
}

const KINDS: readonly (readonly [RegExp, LockKind | 'yarn'])[] = [
  [/(?:^|[/\\])(?:\.?package-lock|npm-shrinkwrap)\.json$/, 'npm'],
  [/(?:^|[/\\])pnpm-lock(?:\.[^/\\]+)?\.yaml$/, 'pnpm'],
  [/(?:^|[/\\])yarn\.lock$/, 'yarn'],
  [/(?:^|[/\\])bun\.lockb?$/, 'bun'],
]
