import type { Distribution } from './filename.ts'
import { canonicalVersion } from './version.ts'

/**
 * What an installer takes a file for, whichever way its name is spelled: two names with one identity are one file to pip and uv, of which
 * they would take either. It is the file's name without the project, in one spelling: version as PEP 440 compares it, build tag with a
 * plain number, each compatibility tag once, in lower case and in order. `Greeting-01.0.0-PY3.py2-none-any.whl` is `1-py2.py3-none-any.whl`.
 */
export function identityOf(distribution: Distribution): string {
  const version = canonicalVersion(distribution.version)
  if (distribution.kind === 'sdist') return `${version}.${distribution.archive}`
  const { build, filename } = distribution
  // From the name: the product of the sets can be huge.
  const tagSets = filename.slice(0, -'.whl'.length).split('-').slice(-3).map(tagSet)
  return `${[version, ...(build === undefined ? [] : [build.join('')]), ...tagSets].join('-')}.whl`
}

function tagSet(tags: string): string {
  return [...new Set(tags.toLowerCase().split('.'))].toSorted().join('.')
}
