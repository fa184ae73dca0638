import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { LENGTH_BYTES, padded } from './nar-format.ts'
import { broken, createNarGrammar } from './nar-grammar.ts'

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
  const grammar = createNarGrammar()
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

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let value = ''
  for (let index = start; index < end; index++) value += String.fromCharCode(bytes[index] ?? 0)
  return value
}

function tooLarge(sizeBytes: number): DepotError {
  return new DepotError('TOO_LARGE', `the archive has a file of ${sizeBytes} bytes; ${LIMITS.blobBytesMax} are taken`)
}
