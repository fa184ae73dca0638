/**
 * Two paths that a file system which ignores case, or spells letters in another Unicode form, takes for one; undefined when
 * there are none. npm has packages whose names differ in case alone.
 */
export function findClash(paths: Iterable<string>): readonly [string, string] | undefined {
  const seen = new Map<string, string>()
  for (const path of paths) {
    for (const name of namesTo(path)) {
      const folded = name.normalize('NFC').toLowerCase()
      const other = seen.get(folded)
      if (other !== undefined && other !== name) return [other, name]
      if (other === undefined) seen.set(folded, name)
    }
  }
  return undefined
}

/** A path, and the folders on the way to it. */
function* namesTo(path: string): Generator<string> {
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) yield path.slice(0, at)
  yield path
}
