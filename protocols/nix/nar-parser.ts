import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'

/** Checks that bytes are one Nix archive. It takes them in pieces of any size and keeps none. */
export interface NarParser {
  /** @throws DepotError `CONTENT_MISMATCH` at the first byte that no archive has in this place, `TOO_LARGE` where a file is announced that is */
  push(bytes: Uint8Array): void
  /** @throws DepotError `CONTENT_MISMATCH` when the archive is not whole */
  end(): void
}

/**
 * The strict grammar of Nix archives (thesis figure 5.2; nix: libutil/archive.cc): tags in their one order, names that ascend
 * and stay in their folder, zero padding, nothing behind the end. Contents of files are skipped by counting.
 */
export function createNarParser(): NarParser {
  const grammar = createGrammar()
  const lengthField = new Uint8Array(LENGTH_BYTES)
  const text = new Uint8Array(padded(LIMITS.narTargetBytesMax))
  let phase: Phase = 'length'
  let filled = 0
  let textBytes = 0
  /** Content, then padding, that is still to come. */
  let contentLeft = 0
  let paddingLeft = 0

  function onLength(bytes: Uint8Array, offset: number): void {
    const length = readLength(bytes, offset)
    if (grammar.wantsContent) {
      // Said before it is sent, so that a bomb is refused before it is decoded.
      if (length > LIMITS.blobBytesMax) throw tooLarge(length)
      contentLeft = length
      paddingLeft = padded(length) - length
      phase = contentLeft > 0 ? 'content' : 'length'
      if (contentLeft === 0) grammar.content()
      return
    }
    if (length > grammar.textBytesMax) throw broken(`${length} bytes where at most ${grammar.textBytesMax} belong`)
    textBytes = length
    phase = 'text'
    if (length === 0) onText(text, 0)
  }

  function onText(bytes: Uint8Array, offset: number): void {
    const end = offset + padded(textBytes)
    for (let index = offset + textBytes; index < end; index++)
      if (bytes[index] !== 0) throw broken('padding is not zero')
    grammar.text(latin1(bytes, offset, offset + textBytes))
    phase = 'length'
  }

  function skipContent(bytes: Uint8Array, offset: number): number {
    const content = Math.min(contentLeft, bytes.byteLength - offset)
    contentLeft -= content
    if (contentLeft > 0) return content
    const end = Math.min(offset + content + paddingLeft, bytes.byteLength)
    for (let index = offset + content; index < end; index++) if (bytes[index] !== 0) throw broken('padding is not zero')
    paddingLeft -= end - offset - content
    if (paddingLeft === 0) {
      phase = 'length'
      grammar.content()
    }
    return end - offset
  }

  /** Take a length field or a text, straight from the piece when it lies there whole. Returns how many bytes it took. */
  function takeField(bytes: Uint8Array, offset: number): number {
    const [field, size, done] =
      phase === 'length'
        ? ([lengthField, LENGTH_BYTES, onLength] as const)
        : ([text, padded(textBytes), onText] as const)
    if (filled === 0 && bytes.byteLength - offset >= size) {
      done(bytes, offset)
      return size
    }
    const part = bytes.subarray(offset, offset + size - filled)
    field.set(part, filled)
    filled += part.byteLength
    if (filled === size) {
      filled = 0
      done(field, 0)
    }
    return part.byteLength
  }

  return {
    push(bytes) {
      for (let offset = 0; offset < bytes.byteLength;) {
        if (grammar.done) throw broken('there are bytes after its end')
        offset += phase === 'content' ? skipContent(bytes, offset) : takeField(bytes, offset)
      }
    },
    end() {
      if (!grammar.done || filled > 0) throw broken('it ends in the middle')
    },
  }
}

type Phase = 'length' | 'text' | 'content'

const LENGTH_BYTES = 8
/** Longer than any tag, shorter than any attack (nix: libutil/archive.cc reads tags up to this). */
const TAG_BYTES_MAX = 32

/** What may come next. Texts are Latin-1, so that they compare as bytes do. */
interface Grammar {
  readonly done: boolean
  /** The next string is a file's content: its length is all that is looked at. */
  readonly wantsContent: boolean
  readonly textBytesMax: number
  text(value: string): void
  /** A file's content is over. */
  content(): void
}

type Expect =
  | 'magic'
  | 'node ('
  | 'type tag'
  | 'type'
  | 'executable or contents'
  | 'executable marker'
  | 'contents tag'
  | 'contents'
  | 'target tag'
  | 'target'
  | 'node )'
  | 'entry or )'
  | 'entry ('
  | 'name tag'
  | 'name'
  | 'node tag'
  | 'entry )'
  | 'nothing'

/** Steps that accept exactly one tag: which, and what follows it. */
const FIXED: Partial<Record<Expect, readonly [tag: string, next: Expect]>> = {
  magic: ['nix-archive-1', 'node ('],
  'node (': ['(', 'type tag'],
  'type tag': ['type', 'type'],
  'executable marker': ['', 'contents tag'],
  'contents tag': ['contents', 'contents'],
  'target tag': ['target', 'target'],
  'entry (': ['(', 'name tag'],
  'name tag': ['name', 'name'],
  'node tag': ['node', 'node ('],
  'entry )': [')', 'entry or )'],
}

const TYPES: ReadonlyMap<string, Expect> = new Map([
  ['regular', 'executable or contents'],
  ['symlink', 'target tag'],
  ['directory', 'entry or )'],
])

function createGrammar(): Grammar {
  /** The last name seen in each open directory; no recursion, so that depth costs a number and not stack. */
  const lastNames: string[] = []
  let expect: Expect = 'magic'

  function nodeEnd(): Expect {
    return lastNames.length === 0 ? 'nothing' : 'entry )'
  }

  function onType(value: string): Expect {
    const next = TYPES.get(value)
    if (next === undefined) throw broken(`it has a node of the unknown type ${quote(value)}`)
    if (value === 'directory') lastNames.push('')
    if (lastNames.length > LIMITS.narDepthMax) throw broken(`it nests deeper than ${LIMITS.narDepthMax}`)
    return next
  }

  function onEntryOrEnd(value: string): Expect {
    if (value === 'entry') return 'entry ('
    if (value !== ')') throw unexpected('entry or )', value)
    lastNames.pop()
    return nodeEnd()
  }

  function onName(value: string): Expect {
    refuseName(value)
    const last = lastNames.length - 1
    if (value <= (lastNames[last] ?? '')) throw broken(`its names do not ascend: ${quote(value)}`)
    lastNames[last] = value
    return 'node tag'
  }

  function step(value: string): Expect {
    switch (expect) {
      case 'type':
        return onType(value)
      case 'executable or contents':
        if (value === 'executable') return 'executable marker'
        if (value === 'contents') return 'contents'
        break
      case 'target':
        if (value === '' || value.includes('\0')) throw broken('it has a symbolic link to nowhere')
        return 'node )'
      case 'node )':
        if (value === ')') return nodeEnd()
        break
      case 'entry or )':
        return onEntryOrEnd(value)
      case 'name':
        return onName(value)
      default: {
        const [tag, next] = FIXED[expect] ?? []
        if (next !== undefined && value === tag) return next
      }
    }
    throw unexpected(expect, value)
  }

  return {
    get done() {
      return expect === 'nothing'
    },
    get wantsContent() {
      return expect === 'contents'
    },
    get textBytesMax() {
      if (expect === 'name') return LIMITS.narNameBytesMax
      return expect === 'target' ? LIMITS.narTargetBytesMax : TAG_BYTES_MAX
    },
    text(value) {
      expect = step(value)
    },
    content() {
      expect = 'node )'
    },
  }
}

// oxlint-disable-next-line no-control-regex -- NUL ends a name for every system call
const BAD_NAME = /^\.{0,2}$|[/\0]|~nix~case~hack~/

/** Names that leave their folder, and those that Nix on macOS makes up for two names that differ in case only. */
function refuseName(value: string): void {
  if (BAD_NAME.test(value)) throw broken(`it has an entry named ${quote(value)}`)
}

function readLength(bytes: Uint8Array, offset: number): number {
  let low = 0
  let high = 0
  for (let index = 3; index >= 0; index--) {
    low = low * 256 + (bytes[offset + index] ?? 0)
    high = high * 256 + (bytes[offset + 4 + index] ?? 0)
  }
  if (high > MAX_HIGH) throw broken('it has a string longer than any disk')
  return high * 2 ** 32 + low
}

/** Lengths stay exact as numbers below 2^53. */
const MAX_HIGH = 2 ** 20

function padded(length: number): number {
  return length + ((8 - (length % 8)) % 8)
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let value = ''
  for (let index = start; index < end; index++) value += String.fromCharCode(bytes[index] ?? 0)
  return value
}

function tooLarge(sizeBytes: number): DepotError {
  return new DepotError('TOO_LARGE', `the archive has a file of ${sizeBytes} bytes; ${LIMITS.blobBytesMax} are taken`)
}

function unexpected(expect: Expect, value: string): DepotError {
  return broken(`${quote(value)} stands where ${expect} belongs`)
}

function broken(reason: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', `the body is not a Nix archive: ${reason}`)
}

function quote(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
}
