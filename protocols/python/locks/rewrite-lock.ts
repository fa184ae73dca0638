import { edited, type RewrittenLock } from '../../../src/client/rewritten-lock.ts'
import { malformed } from './lock-error.ts'
import type { LockKind, ReadLock } from './lock-types.ts'
import { lockKindOf, readLock } from './read-lock.ts'
import { readRequirementsText } from './requirements.ts'
import { addressPlaces, stringPlaces, type StringPlace } from './string-places.ts'

/**
 * Point every address of a distribution and every index in a lock or requirements file at a depot. All else stays as it is, byte for
 * byte, hashes above all: the file has to be the same. Doing it again changes nothing.
 *
 * @param python where the depot serves Python, without a trailing slash and of characters that need no escape:
 * `https://depot.example.org/python`
 * @throws DepotError `BAD_REQUEST` for a malformed lock file
 */
export function rewriteLock(filename: string, text: string, python: string): RewrittenLock {
  const kind = lockKindOf(filename)
  if (kind === 'pyproject.toml') throw malformed(filename, 'it is no lock file: it has no addresses of files')
  const lock =
    kind === 'requirements.txt'
      ? readRequirementsText(filename, text, { named: 'pass over' })
      : readLock(filename, text)
  const addresses = newAddresses(lock, python)
  const edits = [...placesIn(text, lock.kind)].flatMap((place) => {
    const address = addresses.get(place.value)
    return address === undefined || address === place.value ? [] : [{ at: place.at, end: place.end, text: address }]
  })
  const left = lock.others
    .filter(({ breaks }) => breaks)
    .map(({ name, address = '', reason }) => ({ item: name, url: address, reason }))
  return { text: edited(text, edits), changed: edits.length, left }
}

/** Where a depot has a file. */
export function depotFileUrl(
  python: string,
  { project, filename }: { readonly project: string; readonly filename: string },
): string {
  return `${python}/files/${encodeURIComponent(project)}/${encodeURIComponent(filename)}`
}

/** What each address becomes. */
function newAddresses({ kind, files, options }: ReadLock, python: string): ReadonlyMap<string, string> {
  // poetry writes no slash at the end, and compares what it wrote.
  const index = `${python}/simple${kind === 'poetry.lock' ? '' : '/'}`
  const indexes = [...(options.indexUrl === undefined ? [] : [options.indexUrl]), ...options.extraIndexUrls]
  return new Map([
    ...indexes.map((url) => [url, index] as const),
    ...files.flatMap((file) =>
      file.url === undefined || !/^https?:/i.test(file.url) ? [] : [[file.url, depotFileUrl(python, file)] as const],
    ),
  ])
}

function placesIn(text: string, kind: LockKind): Iterable<StringPlace> {
  if (kind === 'requirements.txt') return addressPlaces(text)
  return stringPlaces(text, kind === 'Pipfile.lock' ? 'json' : 'toml')
}
