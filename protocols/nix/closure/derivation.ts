import { DepotError } from '../../../src/errors.ts'
import { parseStorePath } from '../store-path.ts'

/** What a derivation says of what it needs and makes, by base names. */
export interface Derivation {
  /** By the name of the output; undefined where the path is known only once it was built. */
  readonly outputs: ReadonlyMap<string, string | undefined>
  /** Other derivations, with the names of their outputs that are needed. */
  readonly inputs: ReadonlyMap<string, readonly string[]>
  readonly sources: readonly string[]
}

/**
 * Read a `.drv` file (nix: libstore/derivations.cc, parseDerivation).
 *
 * @throws DepotError `CONTENT_MISMATCH` when it is none, or one of a kind that nobody builds without experimental features
 */
export function parseDerivation(text: string): Derivation {
  const [outputs, inputs, sources] = readTerms(text)
  return {
    outputs: new Map(list(outputs).map((output) => [word(list(output)[0]), outputPath(word(list(output)[1]))])),
    inputs: new Map(list(inputs).map((input) => [storeName(list(input)[0]), list(list(input)[1]).map(word)])),
    sources: list(sources).map(storeName),
  }
}

type Term = string | readonly Term[]

const HEAD = 'Derive('
const STRING = /"((?:[^"\\]|\\[^])*)"/y

/** Everything between the brackets of `Derive(…)`: strings, and lists of terms in either kind of brackets. */
function readTerms(text: string): readonly Term[] {
  if (!text.startsWith(HEAD)) throw malformed('it does not begin as one')
  const open: Term[][] = [[]]
  for (let at = HEAD.length; at < text.length; at++) {
    const terms = open.at(-1) ?? []
    const char = text[at]
    if (char === '(' || char === '[') open.push([])
    else if (char === ')' || char === ']') {
      open.pop()
      const outer = open.at(-1)
      if (outer === undefined) return terms
      outer.push(terms)
    } else if (char === '"') {
      STRING.lastIndex = at
      const [whole = '', inner = ''] = STRING.exec(text) ?? []
      if (whole === '') break
      terms.push(inner.replaceAll(/\\([^])/g, (_, escaped: string) => ESCAPES[escaped] ?? escaped))
      at += whole.length - 1
    } else if (char !== ',') break
    if (open.length > DEPTH_MAX) break
  }
  throw malformed('its brackets do not match')
}

const DEPTH_MAX = 8
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

function list(term: Term | undefined): readonly Term[] {
  if (typeof term === 'object') return term
  throw malformed('a word stands where a list belongs')
}

function word(term: Term | undefined): string {
  if (typeof term === 'string') return term
  throw malformed('a list stands where a word belongs')
}

function storeName(term: Term | undefined): string {
  const name = parseStorePath(word(term))?.baseName
  if (name === undefined) throw malformed('it names something outside the store')
  return name
}

function outputPath(text: string): string | undefined {
  return text === '' ? undefined : storeName(text)
}

function malformed(reason: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', `not a derivation: ${reason}`)
}
