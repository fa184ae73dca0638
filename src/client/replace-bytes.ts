import { Transform } from 'node:stream'

/** Replaces every occurrence of some bytes in a stream, also across its pieces. Holds back fewer bytes than `from` has. */
export function replaceBytes(from: Buffer, to: Buffer): Transform {
  let held: Buffer = Buffer.alloc(0)
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      const pieces: Buffer[] = []
      let rest = held.byteLength === 0 ? piece : Buffer.concat([held, piece])
      for (let at = rest.indexOf(from); at !== -1; at = rest.indexOf(from)) {
        pieces.push(rest.subarray(0, at), to)
        rest = rest.subarray(at + from.byteLength)
      }
      const safe = Math.max(0, rest.byteLength - from.byteLength + 1)
      held = rest.subarray(safe)
      done(null, Buffer.concat([...pieces, rest.subarray(0, safe)]))
    },
    flush(done) {
      done(null, held)
    },
  })
}
