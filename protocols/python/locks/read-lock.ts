import { LIMITS } from '../../../src/limits.ts'
import { malformed } from './lock-error.ts'
import type { LockKind, ReadLock } from './lock-types.ts'
import { readPdmLock } from './pdm-lock.ts'
import { readPipfileLock } from './pipfile-lock.ts'
import { readPoetryLock } from './poetry-lock.ts'
import { readPylock } from './pylock.ts'
import { readPyproject } from './pyproject.ts'
import { readRequirementsText } from './requirements.ts'
import { readUvLock } from './uv-lock.ts'

export type { LockKind, LockOptions, ReadLock } from './lock-types.ts'

/** The kind of a file by its name, of which only the last part counts; undefined for what is no lock and no list of requirements. */
export function lockKindOf(filename: string): LockKind | undefined {
  const name = filename.split(/[/\\]/).at(-1) ?? ''
  return KINDS.find(([pattern]) => pattern.test(name))?.[1]
}

/**
 * What a lock file, a requirements file that names no others, or a pyproject.toml asks for.
 *
 * @param filename says its kind, and stands in errors
 * @throws DepotError `BAD_REQUEST` with the file and the place for one that is malformed, of an unknown version or of no known kind
 */
export function readLock(filename: string, text: string): ReadLock {
  const kind = lockKindOf(filename)
  if (kind === undefined) throw malformed(filename, `it is none of ${Object.keys(READERS).join(', ')}`)
  if (text.length > LIMITS.lockFileCharsMax)
    throw malformed(filename, `it is longer than ${LIMITS.lockFileCharsMax} characters`)
  return READERS[kind](filename, text)
}

/** PEP 751 has `pylock.<name>.toml` too; requirements files are called as people like. */
const KINDS: readonly (readonly [RegExp, LockKind])[] = [
  [/^pylock(?:\.[^.]+)?\.toml$/, 'pylock.toml'],
  [/^uv\.lock$/, 'uv.lock'],
  [/^poetry\.lock$/, 'poetry.lock'],
  [/^pdm(?:\..+)?\.lock$/, 'pdm.lock'],
  [/^Pipfile\.lock$/, 'Pipfile.lock'],
  [/^pyproject\.toml$/, 'pyproject.toml'],
  [/\.(?:txt|in)$/, 'requirements.txt'],
]

const READERS: Readonly<Record<LockKind, (filename: string, text: string) => ReadLock>> = {
  'requirements.txt': readRequirementsText,
  'pylock.toml': readPylock,
  'uv.lock': readUvLock,
  'poetry.lock': readPoetryLock,
  'pdm.lock': readPdmLock,
  'Pipfile.lock': readPipfileLock,
  'pyproject.toml': readPyproject,
}
