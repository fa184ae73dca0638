/** A string of one line in a text, and where what is between its quotes stands. */
export interface StringPlace {
  readonly value: string
  /** Offsets in the text. */
  readonly at: number
  readonly end: number
}

/**
 * The strings of a TOML or JSON text that was found to be well-formed. Left out are those of several lines and those with an escape in
 * them: no address of an index needs one.
 */
export function* stringPlaces(text: string, form: 'toml' | 'json'): Generator<StringPlace> {
  const opening = form === 'toml' ? /["'#]/g : /"/g
  for (let found = opening.exec(text); found !== null; found = opening.exec(text)) {
    const [quote] = found
    const long = quote.repeat(3)
    if (quote === '#') opening.lastIndex = endOf(text, '\n', found.index)
    else if (form === 'toml' && text.startsWith(long, found.index)) {
      const end = closing(text, found.index + 3, long)
      // Up to two quotes of its own may stand before those that close it.
      opening.lastIndex = end + 3 + (/^["']{0,2}/.exec(text.slice(end + 3, end + 5))?.[0].length ?? 0)
    } else {
      const at = found.index + 1
      const end = closing(text, at, quote)
      const value = text.slice(at, end)
      if (quote === "'" || !value.includes('\\')) yield { value, at, end }
      opening.lastIndex = end + 1
    }
  }
}

/** Where a string ends whose quote is not escaped. In single quotes TOML escapes nothing. */
function closing(text: string, from: number, quotes: string): number {
  let end = endOf(text, quotes, from)
  while (quotes.startsWith('"') && isEscaped(text, from, end) && end < text.length) end = endOf(text, quotes, end + 1)
  return end
}

function endOf(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from)
  return at < 0 ? text.length : at
}

function isEscaped(text: string, from: number, at: number): boolean {
  let backslashes = 0
  while (at - backslashes > from && text[at - backslashes - 1] === '\\') backslashes++
  return backslashes % 2 === 1
}

/** The http(s) addresses in a requirements file, up to what follows them there; not those in comments. */
export function* addressPlaces(text: string): Generator<StringPlace> {
  for (const match of text.matchAll(/(?:^|[ \t])#[^\n]*|https?:\/\/[^\s"'#]+/gim)) {
    if (/^\s*#/.test(match[0])) continue
    yield { value: match[0], at: match.index, end: match.index + match[0].length }
  }
}
