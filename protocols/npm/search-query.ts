import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'

/** What somebody looks for, in lower case. */
export interface SearchText {
  /** Words that must all be found. */
  readonly terms: readonly string[]
  /** `scope:acme`: the package's name begins with `@acme/`. */
  readonly scopes: readonly string[]
  /** `author:ann` and `maintainer:ann`: part of a name or an address. */
  readonly authors: readonly string[]
  readonly maintainers: readonly string[]
  readonly keywords: readonly KeywordRule[]
  /** `is:` and `not:` with a flag of npmjs's. */
  readonly is: readonly string[]
  readonly not: readonly string[]
}

/** `keywords:a+b,c,-d` is (a and b) or c, and not d. */
export interface KeywordRule {
  readonly any: readonly (readonly string[])[]
  readonly none: readonly string[]
}

/** What a search asks for. */
export interface SearchQuery extends SearchText {
  readonly size: number
  readonly from: number
  readonly weights: Weights
}

/** How much each of npm's three marks counts. */
export interface Weights {
  readonly quality: number
  readonly popularity: number
  readonly maintenance: number
}

/** The parameters of `GET /-/v1/search`. @throws DepotError `BAD_REQUEST` that names the one that is wrong */
export function parseSearch(parameters: URLSearchParams): SearchQuery {
  const text = parameters.get('text')
  if (text === null) throw new DepotError('BAD_REQUEST', 'what are you looking for? say text=words')
  return {
    ...parseSearchText(text),
    // Clients ask for more than they hope to get.
    size: Math.min(wholeNumber(parameters, 'size', SIZE_DEFAULT), LIMITS.npmSearchSizeMax),
    from: wholeNumber(parameters, 'from', 0),
    weights: {
      quality: weight(parameters, 'quality', 0.65),
      popularity: weight(parameters, 'popularity', 0.98),
      maintenance: weight(parameters, 'maintenance', 0.5),
    },
  }
}

const SIZE_DEFAULT = 20

/** The words of a search and npmjs's qualifiers among them. @throws DepotError `BAD_REQUEST` for a text that is too long */
export function parseSearchText(text: string): SearchText {
  if (text.length > LIMITS.npmSearchTextLengthMax)
    throw new DepotError('BAD_REQUEST', `search for at most ${LIMITS.npmSearchTextLengthMax} characters`)
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  if (words.length > LIMITS.npmSearchWordsMax)
    throw new DepotError('BAD_REQUEST', `search for at most ${LIMITS.npmSearchWordsMax} words`)
  const found = new Map<string, string[]>()
  for (const word of words) {
    const [qualifier, value] = qualified(word)
    found.set(qualifier, [...(found.get(qualifier) ?? []), value])
  }
  const of = (qualifier: string): readonly string[] => found.get(qualifier) ?? []
  return {
    terms: of(''),
    scopes: of('scope').map((scope) => `@${scope.replace(/^@/, '')}/`),
    authors: of('author'),
    maintainers: of('maintainer'),
    keywords: of('keywords').map(keywordRule),
    is: of('is'),
    not: of('not'),
  }
}

const QUALIFIERS: ReadonlySet<string> = new Set('scope author maintainer keywords is not boost-exact'.split(' '))

/** A qualifier and its value; an ordinary word has none. */
function qualified(word: string): readonly [string, string] {
  const colon = word.indexOf(':')
  const name = word.slice(0, Math.max(colon, 0))
  const value = word.slice(colon + 1)
  return QUALIFIERS.has(name) && value !== '' ? [name, value] : ['', word]
}

function keywordRule(value: string): KeywordRule {
  const parts = value.split(',').filter((part) => part !== '')
  return {
    any: parts.filter((part) => !part.startsWith('-')).map((part) => part.split('+').filter((word) => word !== '')),
    none: parts.filter((part) => part.startsWith('-')).map((part) => part.slice(1)),
  }
}

function wholeNumber(parameters: URLSearchParams, name: string, absent: number): number {
  const text = parameters.get(name)
  if (text === null || text === '') return absent
  if (!/^\d{1,9}$/.test(text)) throw new DepotError('BAD_REQUEST', `${name} is a whole number`)
  return Number(text)
}

function weight(parameters: URLSearchParams, name: string, absent: number): number {
  const text = parameters.get(name)
  if (text === null || text === '') return absent
  if (!/^(?:0|[1-9]\d{0,3})?(?:\.\d{1,20})?$/.test(text))
    throw new DepotError('BAD_REQUEST', `${name} is a number that is not negative`)
  return Number(text)
}
