import validate from 'validate-npm-package-name'

import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'

/**
 * A package name as a URL or a dependency spells it, `name` or `@scope/name`, or undefined when it is none.
 *
 * The rules for *old* names: capitals and `~!'()*` are legal in what was published long ago, and case counts
 * (`JSONStream` is not `jsonstream`). What is returned is what came in: a name decides who may do what, so it is never
 * normalised.
 */
export function parsePackageName(text: string): string | undefined {
  if (text.length > LIMITS.npmNameLengthMax || !READABLE.test(text) || RESERVED_NAMES.has(text.toLowerCase()))
    return undefined
  return text
}

/**
 * Hold a name to the rules for *new* names (validate-npm-package-name and an allow-list): what `npm publish` may create.
 *
 * @throws DepotError `INVALID_NAME` with the rule that is broken
 */
export function requireNewName(name: string): void {
  const { validForNewPackages, errors = [], warnings = [] } = validate(name)
  const reason = [...errors, ...warnings][0]
  if (!validForNewPackages) throw new DepotError('INVALID_NAME', `${name}: ${reason ?? 'not a package name'}`)
  if (!NEW.test(name) || isPolluting(name))
    throw new DepotError('INVALID_NAME', `${name} is not allowed as a package name`)
}

/** `@scope/name` without its scope: how a tarball's file name begins. */
export function unscoped(name: string): string {
  return name.slice(name.indexOf('/') + 1)
}

/** Keys that reach a prototype when somebody's code copies an object by them. No name, tag or dependency may be one. */
export function isPolluting(key: string): boolean {
  return key === '__proto__' || key === 'constructor'
}

const READABLE = /^(?:@[a-z0-9~!'()*_-][a-z0-9._~!'()*-]*\/[a-z0-9~!'()*_-]|[a-z0-9~!'()*])[a-z0-9._~!'()*-]*$/i
const NEW = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/
/** What validate-npm-package-name forbids by name, in every case. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['node_modules', 'favicon.ico'])
