import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'

import { pack } from 'tar-stream'

const MIB = 1024 * 1024

/** The body of a publish of `large` 1.0.0 with so much in its tarball, made while it is sent; `seen` gets the bytes before they are base64. */
export async function* largePublish(
  contentMebibytes: number,
  seen: (bytes: Buffer) => void = () => {},
): AsyncGenerator<string> {
  const manifest = '{"name":"large","version":"1.0.0"}'
  yield `{"name":"large","versions":{"1.0.0":${manifest}},"_attachments":{"large-1.0.0.tgz":{"data":"`
  let rest: Uint8Array = new Uint8Array()
  for await (const bytes of largeTarball(contentMebibytes)) {
    seen(bytes)
    const all = Buffer.concat([rest, bytes])
    const whole = all.byteLength - (all.byteLength % 3)
    yield all.toString('base64', 0, whole)
    rest = all.subarray(whole)
  }
  yield `${Buffer.from(rest).toString('base64')}"}}}`
}

function largeTarball(contentMebibytes: number): AsyncIterable<Buffer> {
  const tar = pack()
  tar.entry({ name: 'package/package.json' }, '{"name":"large","version":"1.0.0"}')
  const size = contentMebibytes * MIB
  const entry = tar.entry({ name: 'package/random.bin', size }, () => tar.finalize())
  const piece = randomBytes(MIB)
  Readable.from(Array<Buffer>(contentMebibytes).fill(piece)).pipe(entry as unknown as NodeJS.WritableStream)
  return Readable.from(tar).pipe(createGzip({ level: 0 }))
}
