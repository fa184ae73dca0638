import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'

/** One object of a stream of JSON, and the line on which it begins. */
export interface JsonValue {
  readonly line: number
  readonly value: object
}

const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const QUOTE = 0x22
const BACKSLASH = 0x5c
const LINE_END = 0x0a
const COMMA = 0x2c
const BLANKS: ReadonlySet<number> = new Set([0x20, 0x09, 0x0d])
const BYTE_ORDER_MARK: readonly number[] = [0xef, 0xbb, 0xbf]

/**
 * Takes JSON apart while it arrives: one object, objects behind one another (JSON lines), or an array of objects, however long. Memory is
 * bounded by one object.
 */
export class JsonValues {
  #line = 1
  #offset = 0
  /** Inside the array that holds the objects. */
  #inArray = false
  /** Open braces and brackets of the object that is being read; 0 between two. */
  #depth = 0
  #quoted = false
  #escaped = false
  #startLine = 1
  #pieces: Uint8Array[] = []
  #pieceBytes = 0

  /** @throws DepotError `BAD_REQUEST` when something is left open */
  end(): void {
    if (this.#depth > 0) throw damaged(this.#startLine, 'an object that does not end')
    if (this.#inArray) throw damaged(this.#line, 'a list that does not end')
  }

  /** @throws DepotError `BAD_REQUEST` that names the line */
  *push(bytes: Uint8Array): Generator<JsonValue, void> {
    let start = 0
    for (let index = 0; index < bytes.length; index++) {
      const code = bytes[index] ?? 0
      if (code === LINE_END) this.#line++
      if (this.#quoted) this.#inText(code)
      else if (this.#depth > 0) {
        this.#inObject(code)
        if (this.#depth === 0) yield this.#parsed(bytes.subarray(start, index + 1))
      } else if (code === OPEN_BRACE) {
        this.#depth = 1
        this.#startLine = this.#line
        start = index
      } else this.#between(code, this.#offset + index)
    }
    if (this.#depth > 0) this.#keep(bytes.subarray(start))
    this.#offset += bytes.length
  }

  #inText(code: number): void {
    if (this.#escaped) this.#escaped = false
    else if (code === BACKSLASH) this.#escaped = true
    else if (code === QUOTE) this.#quoted = false
  }

  #inObject(code: number): void {
    if (code === QUOTE) this.#quoted = true
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) this.#depth++
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) this.#depth--
  }

  #between(code: number, offset: number): void {
    if (code === LINE_END || BLANKS.has(code)) return
    if (code === BYTE_ORDER_MARK[offset]) return
    if (code === OPEN_BRACKET && !this.#inArray) this.#inArray = true
    else if (code === CLOSE_BRACKET && this.#inArray) this.#inArray = false
    else if (code !== COMMA || !this.#inArray) throw damaged(this.#line, 'something that is no JSON object')
  }

  #count(piece: Uint8Array): void {
    this.#pieceBytes += piece.byteLength
    if (this.#pieceBytes > LIMITS.npmAdvisoryBytesMax)
      throw damaged(this.#startLine, `an object of more than ${LIMITS.npmAdvisoryBytesMax} bytes`)
  }

  #keep(piece: Uint8Array): void {
    this.#count(piece)
    // A copy: the bytes may lie in a buffer that is used again.
    this.#pieces.push(Uint8Array.from(piece))
  }

  #parsed(last: Uint8Array): JsonValue {
    this.#count(last)
    const bytes = this.#pieces.length === 0 ? last : Buffer.concat([...this.#pieces, last])
    this.#pieces = []
    this.#pieceBytes = 0
    const line = this.#startLine
    try {
      return {
        line,
        value: JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as object,
      }
    } catch (cause) {
      throw damaged(line, 'something that is no JSON object', cause)
    }
  }
}

export function damaged(line: number, what: string, cause?: unknown): DepotError {
  return new DepotError('BAD_REQUEST', `line ${line} has ${what}`, { cause })
}
