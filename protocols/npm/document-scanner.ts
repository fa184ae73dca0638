import { DepotError } from '../../src/errors.ts'
import { decodeText, parseJson } from '../../src/http/body.ts'
import { LIMITS } from '../../src/limits.ts'
import { stringPause } from './attachment-scanner.ts'
import { isPolluting } from './package-name.ts'

/** The few things of a packument that its sender may change; everything else is left out. Values are JSON from outside. */
export interface ScannedDocument {
  /** Those of `WANTED_FIELDS` that it has. */
  readonly fields: ReadonlyMap<string, unknown>
  /** Undefined when it does not speak of versions at all. */
  readonly versions: ReadonlySet<string> | undefined
  /** `versions.<version>.deprecated`, where it is there. */
  readonly deprecated: ReadonlyMap<string, unknown>
}

/**
 * Reads a packument that comes back from a client, piece by piece: that of a package with thousands of versions has more values than
 * may be parsed in one go, and nearly all are there only because the client was sent them. What nobody asks for is passed over unread.
 */
export class DocumentScanner {
  #depth = 0
  /** By depth, down to a version's fields: is this container an object, and at which key does it stand? */
  readonly #objects: boolean[] = []
  readonly #keys: string[] = []
  #keyNext = false
  #inString = false
  #escaped = false
  #key: number[] | undefined
  /** A value that is wanted, as far as it was read, and the depth of what holds it. */
  #wanted: { readonly depth: number; readonly bytes: number[] } | undefined
  #wantedBytes = 0
  #ended = false
  readonly #fields = new Map<string, unknown>()
  readonly #deprecated = new Map<string, unknown>()
  #versions: Set<string> | undefined

  /** @throws DepotError `BAD_REQUEST`, `TOO_LARGE` */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at++) {
      const unread = this.#inString && !this.#escaped && this.#key === undefined && this.#wanted === undefined
      if (unread) at = stringPause(bytes, at)
      if (at === bytes.length) return
      const code = bytes[at] ?? 0
      if (this.#inString) this.#string(code)
      else this.#structure(code)
    }
  }

  /** @throws DepotError `BAD_REQUEST` when the text was no whole JSON object */
  end(): ScannedDocument {
    if (!this.#ended) throw notJson()
    return { fields: this.#fields, versions: this.#versions, deprecated: this.#deprecated }
  }

  #string(code: number): void {
    this.#keep(code)
    if (this.#escaped) this.#escaped = false
    else if (code === BACKSLASH) this.#escaped = true
    else if (code === QUOTE) {
      this.#inString = false
      if (this.#key !== undefined) this.#closeKey(this.#key)
      return
    }
    if (this.#key === undefined) return
    if (this.#key.length >= LIMITS.npmKeyBytesMax)
      throw new DepotError('BAD_REQUEST', 'the JSON has a key that is too long')
    this.#key.push(code)
  }

  #structure(code: number): void {
    if (code === QUOTE) {
      this.#inString = true
      if (this.#keyNext && this.#wanted === undefined && this.#depth <= FIELD_DEPTH) this.#key = []
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) this.#open(code === OPEN_OBJECT)
    else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) this.#close()
    else if (code === COMMA) {
      this.#finish()
      this.#keyNext = this.#depth <= FIELD_DEPTH && this.#objects[this.#depth] === true
    } else if (code === COLON) {
      this.#keyNext = false
      if (this.#wanted === undefined) return this.#want()
    }
    if (this.#depth === 0 && code !== CLOSE_OBJECT && !SPACES.has(code)) throw notJson()
    this.#keep(code)
  }

  #open(isObject: boolean): void {
    if (this.#ended || (this.#depth === 0 && !isObject)) throw notJson()
    this.#depth++
    if (this.#depth > LIMITS.jsonDepthMax)
      throw new DepotError('BAD_REQUEST', `the JSON nests deeper than ${LIMITS.jsonDepthMax}`)
    this.#keyNext = isObject
    if (this.#depth <= FIELD_DEPTH) this.#objects[this.#depth] = isObject
  }

  #close(): void {
    if (this.#depth === 0) throw notJson()
    this.#finish()
    this.#depth--
    this.#keyNext = false
    this.#ended = this.#depth === 0
  }

  #closeKey(raw: readonly number[]): void {
    this.#key = undefined
    const key = decodeKey(raw)
    if (isPolluting(key) && this.#depth < FIELD_DEPTH)
      throw new DepotError('BAD_REQUEST', `the document has the key ${key}, which is no field and no version`)
    this.#keys[this.#depth] = key
    if (this.#depth !== VERSION_DEPTH || this.#keys[1] !== 'versions') return
    this.#versions?.add(key)
    if ((this.#versions?.size ?? 0) > LIMITS.npmVersionsPerPackageMax)
      throw new DepotError('TOO_LARGE', `the document names more than ${LIMITS.npmVersionsPerPackageMax} versions`)
  }

  /** Behind a colon: is the value that follows one to look at? */
  #want(): void {
    const [, field = '', , inVersion = ''] = this.#keys
    if (this.#depth === 1 && field === 'versions') this.#versions ??= new Set()
    const wanted =
      this.#depth === 1
        ? WANTED_FIELDS.has(field)
        : this.#depth === FIELD_DEPTH && field === 'versions' && inVersion === 'deprecated'
    if (wanted) this.#wanted = { depth: this.#depth, bytes: [] }
  }

  #keep(code: number): void {
    if (this.#wanted === undefined) return
    if (
      ++this.#wantedBytes > LIMITS.npmManifestBytesMax ||
      this.#wanted.bytes.length >= LIMITS.npmDocumentFieldBytesMax
    )
      throw new DepotError('TOO_LARGE', 'what the document changes is too large')
    this.#wanted.bytes.push(code)
  }

  /** A comma or the end of a container: is it what comes behind the wanted value? */
  #finish(): void {
    if (this.#wanted === undefined || this.#wanted.depth !== this.#depth) return
    const value = parseJson(decodeText(Uint8Array.from(this.#wanted.bytes)))
    this.#wanted = undefined
    if (this.#depth === 1) this.#fields.set(this.#keys[1] ?? '', value)
    else this.#deprecated.set(this.#keys[VERSION_DEPTH] ?? '', value)
  }
}

const WANTED_FIELDS: ReadonlySet<string> = new Set(['_id', '_rev', 'name', 'dist-tags', 'maintainers', 'users'])

/** `{ "versions": { "<version>": { "<field>": … } } }` */
const VERSION_DEPTH = 2
const FIELD_DEPTH = 3

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const SPACES: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])

function decodeKey(raw: readonly number[]): string {
  const key = parseJson(`"${decodeText(Uint8Array.from(raw))}"`)
  if (typeof key !== 'string') throw notJson()
  return key
}

function notJson(): DepotError {
  return new DepotError('BAD_REQUEST', 'the body is not a JSON object')
}
