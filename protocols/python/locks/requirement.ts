import { LIMITS } from '../../../src/limits.ts'
import { isProjectName, normalizeProjectName } from '../project-name.ts'

/** One requirement as PEP 508 writes it. */
export interface Requirement {
  /** Normalised. */
  readonly project: string
  /** Normalised. */
  readonly extras: readonly string[]
  /** `>=1.0,<2`; '' for any. */
  readonly specifier: string
  /** Of `name @ url`. */
  readonly url?: string
  readonly marker?: string
}

/** Without the marker, and its quotes, a bracket or a `;` stands for itself. */
const REQUIREMENT =
  /^(?<name>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)\s*(?:\[(?<extras>[^\]]*)\])?\s*(?:@\s*(?<url>\S+)|(?<specifier>\(?[^;@]*\)?))$/i
const CLAUSE = /^(?:~=|===?|!=|<=|>=|<|>)\s*[a-z0-9][a-z0-9._+!*-]*$/i

/** Parse a requirement; undefined for what is none. What its marker says is not looked at. */
export function parseRequirement(text: string): Requirement | undefined {
  if (text.length > LIMITS.requirementLengthMax) return undefined
  const { wanted, marker } = splitMarker(text.trim())
  const groups = REQUIREMENT.exec(wanted)?.groups
  const { name = '', extras = '', url, specifier = '' } = groups ?? {}
  if (groups === undefined || !isProjectName(name)) return undefined
  const named = listIn(extras)
  const clauses = listIn(specifier.trim().replace(/^\((.*)\)$/, '$1'))
  if (!named.every(isProjectName) || !clauses.every((clause) => CLAUSE.test(clause))) return undefined
  return {
    project: normalizeProjectName(name),
    extras: named.map(normalizeProjectName),
    specifier: clauses.map((clause) => clause.replace(/\s+/g, '')).join(','),
    ...(url === undefined ? {} : { url }),
    ...(marker === undefined ? {} : { marker }),
  }
}

/** The one version that a specifier allows; undefined when it may allow several. */
export function pinnedVersion(specifier: string): string | undefined {
  return /^={2,3}([^,*]+)$/.exec(specifier)?.[1]
}

/** A `;` may belong to an address: there the marker stands behind a blank (PEP 508). */
function splitMarker(text: string): { readonly wanted: string; readonly marker?: string } {
  const at = /^[^;@]*@/.test(text) ? text.search(/\s;/) : text.indexOf(';')
  if (at < 0) return { wanted: text }
  const marker = text
    .slice(at)
    .replace(/^\s*;\s*/, '')
    .trim()
  return { wanted: text.slice(0, at).trim(), ...(marker === '' ? {} : { marker }) }
}

/** A comma at the end is allowed. */
function listIn(text: string): readonly string[] {
  const parts = text.split(',').map((part) => part.trim())
  return parts.at(-1) === '' ? parts.slice(0, -1) : parts
}
