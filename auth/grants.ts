import { ACTIONS, SOME_NAME, type Action, type Grant, type Resource } from '../src/access.ts'
import { DepotError } from '../src/errors.ts'
import { hint } from '../src/hint.ts'
import { LIMITS } from '../src/limits.ts'

/** What several grants are written with: `npm:write:@acme/*,python:read:*`. */
const SEPARATOR = ','

/**
 * Read `<ecosystem>:<action>:<pattern>`, each of which may be `*`. Nothing is normalised: names that differ in case differ.
 *
 * @param ecosystems the names that this depot knows
 * @throws DepotError `BAD_REQUEST` saying which part is wrong, with the nearest known word.
 */
export function parseGrant(text: string, ecosystems: readonly string[]): Grant {
  if (text.length > LIMITS.grantLengthMax) throw refused(`a grant has at most ${LIMITS.grantLengthMax} characters`)
  const [ecosystem = '', action = '', pattern, ...more] = text.split(':')
  if (pattern === undefined || more.length > 0)
    throw refused(`${shown(text)} is no grant: it is <ecosystem>:<action>:<pattern>, as in npm:read:*`)
  if (ecosystem !== ANY && !ecosystems.includes(ecosystem)) throw unknownWord('ecosystem', ecosystem, ecosystems)
  if (!isAction(action)) throw unknownWord('action', action, ACTIONS)
  checkPattern(pattern)
  if (NAMELESS.has(ecosystem) && pattern !== ANY)
    throw refused(`the names of ${ecosystem} are hashes, so its only pattern is *: ${ecosystem}:${action}:*`)
  return { ecosystem, action, pattern }
}

/**
 * Read one grant or several with commas between them.
 *
 * @throws DepotError `BAD_REQUEST` for an empty list, an empty place in it, too many, and whatever `parseGrant` refuses.
 */
export function parseGrants(text: string, ecosystems: readonly string[]): readonly Grant[] {
  const words = text.split(SEPARATOR, LIMITS.grantsMax + 1)
  if (words.length > LIMITS.grantsMax) throw refused(`there are more than ${LIMITS.grantsMax} grants`)
  return words.map((word) => parseGrant(word, ecosystems))
}

/** `npm:write:@acme/*`: what `parseGrant` reads. */
export function printGrant({ ecosystem, action, pattern }: Grant): string {
  return `${ecosystem}:${action}:${pattern}`
}

/** Whether every layer has a grant for this. No layers at all permit nothing, and so does an empty one. */
export function permits(limits: readonly (readonly Grant[])[], action: Action, resource: Resource): boolean {
  return (
    limits.length > 0 &&
    limits.every((layer) => layer.some((grant) => allowsAction(grant, action) && matchesResource(grant, resource)))
  )
}

/**
 * Whether all that `wanted` would ever permit is within the limits. Never true wrongly; false also where only several grants of one
 * layer together would cover the patterns or ecosystems of a single one.
 */
export function covers(limits: readonly (readonly Grant[])[], wanted: Grant): boolean {
  const actions = wanted.action === ANY ? ACTIONS : [wanted.action]
  return (
    limits.length > 0 &&
    limits.every((layer) => actions.every((action) => layer.some((held) => includes(held, action, wanted))))
  )
}

const ANY = '*'
/** Ecosystems whose names are hashes: a pattern would pick some of them by chance. */
const NAMELESS: ReadonlySet<string> = new Set(['nix'])
const PATTERN = /^[A-Za-z0-9@/._~*-]+$/
const SHOWN_LENGTH_MAX = 40

function isAction(word: string): word is Grant['action'] {
  return word === ANY || ACTIONS.some((action) => action === word)
}

function checkPattern(pattern: string): void {
  if (pattern.length > LIMITS.grantPatternLengthMax)
    throw refused(`a pattern has at most ${LIMITS.grantPatternLengthMax} characters`)
  if (!PATTERN.test(pattern))
    throw refused(`${shown(pattern)} is no pattern: it is a package name in which * stands for any characters`)
  if (pattern.includes('**')) throw refused(`${shown(pattern)} is no pattern: one * stands for any characters, / too`)
}

function allowsAction({ action: held }: Grant, action: Action): boolean {
  return held === action || held === ANY || (held === 'write' && action === 'read')
}

function matchesResource({ ecosystem, pattern }: Grant, resource: Resource): boolean {
  if (ecosystem !== ANY && ecosystem !== resource.ecosystem) return false
  if (pattern === ANY) return true
  if (NAMELESS.has(resource.ecosystem) || resource.name === '') return false
  return resource.name === SOME_NAME || matches(pattern, resource.name)
}

/**
 * Whether one grant that is held includes this action of one that is wanted. One pattern includes another exactly when it matches the
 * other's text: only a `*` can match a `*` there, and where that one took in the other, it takes in whatever the other stands for.
 */
function includes(held: Grant, action: Action, wanted: Grant): boolean {
  return (
    allowsAction(held, action) &&
    (held.ecosystem === ANY || held.ecosystem === wanted.ecosystem) &&
    matches(held.pattern, wanted.pattern)
  )
}

/**
 * Whether the pattern matches all of the text. The pieces between two stars are each taken at their first place, which never spoils
 * a later one, so nothing is tried twice: the time is bounded by the product of the two lengths.
 */
function matches(pattern: string, text: string): boolean {
  const [first = '', ...pieces] = pattern.split(ANY)
  const last = pieces.pop()
  if (last === undefined) return pattern === text
  const end = text.length - last.length
  if (!text.startsWith(first) || !text.endsWith(last)) return false
  let at = first.length
  for (const piece of pieces) {
    const found = text.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return at <= end
}

function unknownWord(kind: string, word: string, known: readonly string[]): DepotError {
  return refused(`${shown(word)} is no ${kind}: it is ${[...known, ANY].join(', ')}${hint(word, known)}`)
}

/** A little of what came in, without anything that a terminal would obey. */
function shown(text: string): string {
  const cut = text.length > SHOWN_LENGTH_MAX ? '...' : ''
  return `"${text.slice(0, SHOWN_LENGTH_MAX).replaceAll(/[^ -~]/g, '?')}${cut}"`
}

function refused(message: string): DepotError {
  return new DepotError('BAD_REQUEST', message)
}
