import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'

/** What a scanner makes of the body, in order. The bytes are views of what was pushed. */
export type Piece =
  /** JSON text, in which the string of every diverted attachment is empty. */
  | { readonly kind: 'text'; readonly bytes: Uint8Array }
  /** The string of `_attachments.<file>.data` begins. */
  | { readonly kind: 'open'; readonly file: string }
  /** Characters of that string, escapes undone. */
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'close' }

/**
 * Splits the JSON of `npm publish` while it arrives, whatever the order of its keys: the base64 strings of attachments are
 * diverted, so that a tarball never lies in memory. It only tracks strings and nesting; parsing the text that is left
 * over tells whether it was JSON.
 *
 * A `.sigstore` attachment is JSON text, not base64, and small: it stays in the text.
 */
export class AttachmentScanner {
  #depth = 0
  /** By depth, as far as paths matter: is this container an object, and at which key does it stand? */
  readonly #objects: boolean[] = []
  readonly #keys: string[] = []
  #keyNext = false
  #inString: '' | 'plain' | 'key' | 'data' = ''
  /** Raw bytes of the key being read; it may span pieces. */
  #key: number[] = []
  /** An escape that is not complete yet, from its backslash on. */
  #escape = ''

  /** @throws DepotError `BAD_REQUEST` for an escape that base64 has no use for, or keys beyond reason */
  push(chunk: Uint8Array): Piece[] {
    const pieces: Piece[] = []
    let at = 0
    while (at < chunk.length) {
      at = this.#inString === 'data' ? this.#data(chunk, at, pieces) : this.#text(chunk, at, pieces)
    }
    return pieces
  }

  /** Pass text on up to the opening quote of an attachment, or to the end of the chunk. */
  #text(chunk: Uint8Array, start: number, pieces: Piece[]): number {
    let at = start
    while (at < chunk.length && this.#inString !== 'data') {
      // Most of a manifest is strings that nobody looks at.
      if (this.#inString === 'plain' && this.#escape === '') at = stringPause(chunk, at)
      if (at === chunk.length) break
      const code = chunk[at] ?? 0
      if (this.#inString === '') this.#structure(code)
      else this.#string(code)
      at++
    }
    pieces.push({ kind: 'text', bytes: chunk.subarray(start, at) })
    if (this.#inString === 'data') pieces.push({ kind: 'open', file: this.#keys[FILE_DEPTH] ?? '' })
    return at
  }

  #structure(code: number): void {
    if (code === QUOTE) this.#openString()
    else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      this.#depth++
      this.#keyNext = code === OPEN_OBJECT
      if (this.#depth <= DATA_DEPTH) this.#objects[this.#depth] = this.#keyNext
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      if (--this.#depth < 0) throw new DepotError('BAD_REQUEST', 'the body is not JSON')
      this.#keyNext = false
    } else if (code === COMMA) this.#keyNext = this.#depth <= DATA_DEPTH && this.#objects[this.#depth] === true
    else if (code === COLON) this.#keyNext = false
  }

  #openString(): void {
    if (this.#keyNext && this.#depth <= DATA_DEPTH) {
      this.#inString = 'key'
      this.#key = []
    } else this.#inString = this.#atAttachment() ? 'data' : 'plain'
  }

  #atAttachment(): boolean {
    if (this.#depth !== DATA_DEPTH || this.#keys[1] !== '_attachments' || this.#keys[DATA_DEPTH] !== 'data')
      return false
    if (this.#objects[1] !== true || this.#objects[FILE_DEPTH] !== true || this.#objects[DATA_DEPTH] !== true)
      return false
    return !this.#keys[FILE_DEPTH]?.endsWith('.sigstore')
  }

  #string(code: number): void {
    if (this.#escape !== '') this.#escape = ''
    else if (code === BACKSLASH) this.#escape = '\\'
    else if (code === QUOTE) return this.#closeString()
    if (this.#inString !== 'key') return
    if (this.#key.length >= LIMITS.npmKeyBytesMax)
      throw new DepotError('BAD_REQUEST', 'the JSON has a key that is too long')
    this.#key.push(code)
  }

  #closeString(): void {
    if (this.#inString === 'key') this.#keys[this.#depth] = decodeKey(this.#key)
    this.#inString = ''
  }

  /** Divert characters up to the closing quote, a backslash, or the end of the chunk. */
  #data(chunk: Uint8Array, start: number, pieces: Piece[]): number {
    if (this.#escape !== '') return this.#escaped(chunk, start, pieces)
    const quote = chunk.indexOf(QUOTE, start)
    const end = quote === -1 ? chunk.length : quote
    const run = chunk.subarray(start, end)
    const backslash = run.indexOf(BACKSLASH)
    const plain = backslash === -1 ? run : run.subarray(0, backslash)
    if (plain.length > 0) pieces.push({ kind: 'data', bytes: plain })
    if (backslash !== -1) {
      this.#escape = '\\'
      return start + backslash + 1
    }
    if (quote === -1) return end
    this.#inString = ''
    pieces.push({ kind: 'close' })
    // The closing quote is text again: the string left over is empty.
    pieces.push({ kind: 'text', bytes: chunk.subarray(quote, quote + 1) })
    return quote + 1
  }

  #escaped(chunk: Uint8Array, at: number, pieces: Piece[]): number {
    this.#escape += String.fromCharCode(chunk[at] ?? 0)
    if (this.#escape === '\\u' || (this.#escape.startsWith('\\u') && this.#escape.length < UNICODE_ESCAPE_LENGTH))
      return at + 1
    const code = this.#escape === '\\/' ? SLASH : asciiEscape(this.#escape)
    this.#escape = ''
    pieces.push({ kind: 'data', bytes: Uint8Array.of(code) })
    return at + 1
  }
}

/** `{ "_attachments": { "<file>": { "data": "…" } } }` */
const FILE_DEPTH = 2
const DATA_DEPTH = 3
/** A backslash, `u` and four hex digits. */
const UNICODE_ESCAPE_LENGTH = 6

const QUOTE = 0x22
const BACKSLASH = 0x5c
const SLASH = 0x2f
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d

/** The character of `\\u00xx`: base64 has no others. */
function asciiEscape(escape: string): number {
  const digits = /^\\u00(?<digits>[2-7][0-9a-f])$/i.exec(escape)?.groups?.['digits']
  if (digits === undefined) throw new DepotError('BAD_REQUEST', 'the attachment is not base64')
  return Number.parseInt(digits, 16)
}

/** Where the characters of a JSON string stop being only characters: at a quote, a backslash, or the end of the chunk. */
export function stringPause(chunk: Uint8Array, start: number): number {
  let at = start
  while (at < chunk.length && chunk[at] !== QUOTE && chunk[at] !== BACKSLASH) at++
  return at
}

function decodeKey(raw: readonly number[]): string {
  try {
    return JSON.parse(`"${Buffer.from(raw).toString('utf8')}"`) as string
  } catch {
    // Not JSON: the parser that gets the text will say so.
    return ''
  }
}
