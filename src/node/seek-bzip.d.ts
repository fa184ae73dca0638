declare module 'seek-bzip' {
  interface Source {
    /** The next byte, or -1 at the end. */
    readByte(): number
    read(target: Uint8Array, offset: number, length: number): number
    eof(): boolean
  }
  interface Sink {
    writeByte(byte: number): void
    write(bytes: Uint8Array, offset: number, length: number): number
    flush(): void
  }
  const Bunzip: {
    /** Decode one or several bzip2 streams, checking their CRCs; throws on damage. */
    decode(source: Source, sink: Sink, multistream: boolean): void
  }
  export default Bunzip
}
