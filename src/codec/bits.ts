/** The input was over before a value was whole. */
export class InputEnded extends Error {}

/** Reads bits, the highest of each byte first, from the front of a buffer that is filled at its end. */
export class BitReader {
  /** Where the filled part of the buffer ends. */
  end = 0
  readonly #buffer: Uint8Array
  #position = 0
  /** The lowest `#count` bits are those that were taken from the buffer and not yet read. */
  #bits = 0
  #count = 0

  constructor(buffer: Uint8Array) {
    this.#buffer = buffer
  }

  /** Whole bytes that were not read yet. */
  get bytesLeft(): number {
    return this.end - this.#position + (this.#count >> 3)
  }

  /** The next `count` bits, at most 24. */
  read(count: number): number {
    while (this.#count < count) this.#fill()
    this.#count -= count
    return (this.#bits >>> this.#count) & ((1 << count) - 1)
  }

  read32(): number {
    const high = this.read(16)
    return high * 0x10000 + this.read(16)
  }

  /** The next `count` bits, at most 24, without taking them; zeros stand for what lies behind the end. */
  peek(count: number): number {
    while (this.#count < count && this.#position < this.end) this.#fill()
    const shift = this.#count - count
    return (shift >= 0 ? this.#bits >>> shift : this.#bits << -shift) & ((1 << count) - 1)
  }

  /** Drop what is left of a byte. */
  align(): void {
    this.#count -= this.#count & 7
  }

  /** Make room at the end of the buffer. */
  moveToFront(): void {
    this.#buffer.copyWithin(0, this.#position, this.end)
    this.end -= this.#position
    this.#position = 0
  }

  #fill(): void {
    if (this.#position >= this.end) throw new InputEnded()
    this.#bits = (this.#bits << 8) | (this.#buffer[this.#position++] ?? 0)
    this.#count += 8
  }
}
