/** A start tag of an HTML page. */
export interface HtmlTag {
  /** In lower case. */
  readonly name: string
  /** Names in lower case, values without entities; the first of two counts. */
  readonly attributes: ReadonlyMap<string, string>
}

/**
 * The start tags of a page in their order, read as browsers do (HTML, "Tokenization"): comments, declarations and the content of scripts,
 * styles, titles and text areas are passed over. Each character is looked at a bounded number of times, whatever stands there.
 */
export function* htmlTags(text: string): Generator<HtmlTag> {
  for (let at = text.indexOf('<'); at !== -1; at = text.indexOf('<', at)) {
    NAME.lastIndex = at + 1
    const name = NAME.exec(text)?.[0].toLowerCase()
    if (name === undefined) {
      at = afterMarkup(text, at)
      continue
    }
    const { attributes, end } = readAttributes(text, NAME.lastIndex)
    // Cut off within a tag: it counts for nothing, and nothing comes behind it.
    if (end === undefined) return
    yield { name, attributes }
    at = RAW.has(name) ? afterRaw(text, name, end) : end
  }
}

const NAME = /[a-z][^\s/>]*/iy
/** What stands in them is text, whatever it looks like. */
const RAW = new Set(['script', 'style', 'title', 'textarea'])

/** Behind a comment, a declaration, an end tag, or a `<` that is one. */
function afterMarkup(text: string, at: number): number {
  if (text.startsWith('<!--', at)) return after(text, '-->', at + 2)
  return /[!?/]/.test(text.charAt(at + 1)) ? after(text, '>', at) : at + 1
}

function afterRaw(text: string, name: string, from: number): number {
  const closing = new RegExp(`</${name}`, 'gi')
  closing.lastIndex = from
  const found = closing.exec(text)
  return found === null ? text.length : after(text, '>', found.index)
}

/** Behind the next place of a mark; the end of the page without one. */
function after(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from)
  return at === -1 ? text.length : at + mark.length
}

interface Attributes {
  readonly attributes: ReadonlyMap<string, string>
  /** Behind the `>`; undefined when there is none. */
  readonly end: number | undefined
}

const GAP = /[\s/]*/y
const ATTRIBUTE_NAME = /[^\s/>][^\s/>=]*/y
const EQUALS = /\s*=\s*/y
const BARE = /[^\s>]*/y

function readAttributes(text: string, from: number): Attributes {
  const attributes = new Map<string, string>()
  for (let at = from; ;) {
    at = skip(GAP, text, at)
    if (at >= text.length) return { attributes, end: undefined }
    if (text.charAt(at) === '>') return { attributes, end: at + 1 }
    const nameEnd = skip(ATTRIBUTE_NAME, text, at)
    const name = text.slice(at, nameEnd).toLowerCase()
    const value = readValue(text, nameEnd)
    if (value === undefined) return { attributes, end: undefined }
    if (!attributes.has(name)) attributes.set(name, decodeEntities(value.text))
    at = value.end
  }
}

/** The value of an attribute, empty without one; undefined when its quotes are not closed. */
function readValue(text: string, from: number): { readonly text: string; readonly end: number } | undefined {
  const start = skip(EQUALS, text, from)
  if (start === from) return { text: '', end: from }
  const quote = text.charAt(start)
  if (quote !== '"' && quote !== "'") {
    const end = skip(BARE, text, start)
    return { text: text.slice(start, end), end }
  }
  const end = text.indexOf(quote, start + 1)
  return end === -1 ? undefined : { text: text.slice(start + 1, end), end: end + 1 }
}

/** Behind what a sticky pattern finds, or where it began. */
function skip(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.test(text) ? pattern.lastIndex : from
}

const ENTITY = /&(?:#x(?<hex>[0-9a-f]{1,6})|#(?<decimal>\d{1,7})|(?<name>[a-z]{2,6}));/gi
/** Those that index pages have: written by `html.escape` of Python, by PHP, or by hand. */
const NAMED = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['nbsp', '\u00a0'],
])

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(ENTITY, (whole, hex?: string, decimal?: string, name?: string) => {
    if (name !== undefined) return NAMED.get(name.toLowerCase()) ?? whole
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
    return code > 0 && code <= 0x10_ff_ff && !(code >= 0xd8_00 && code <= 0xdf_ff)
      ? String.fromCodePoint(code)
      : '\ufffd'
  })
}
