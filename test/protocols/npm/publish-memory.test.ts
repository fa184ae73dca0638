import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'

import { pack } from 'tar-stream'
import { expect, it } from 'vitest'

import { startServerProcess } from '../../helpers/server-process.ts'

const MIB = 1024 * 1024
const CONTENT_BYTES = 192 * MIB
/** Less than half of the body, and what Node lets lie about before it collects. */
const GROWTH_BYTES_MAX = 110 * MIB

it('takes a large publish in memory that does not grow with it', { timeout: 120_000 }, async () => {
  await using server = await startServerProcess()
  const before = await peakBytes(server.pid)
  const sha1 = createHash('sha1')
  const outgoing = request(`${server.url}/npm/large`, { method: 'PUT' })
  const answer = once(outgoing, 'response')
  Readable.from(largePublish((bytes) => sha1.update(bytes))).pipe(outgoing)
  const [incoming] = (await answer) as [IncomingMessage]
  const text = Buffer.concat(await incoming.toArray()).toString()
  expect([incoming.statusCode, text]).toEqual([201, expect.stringContaining('created')])
  const { dist } = (await (await fetch(`${server.url}/npm/large/1.0.0`)).json()) as { dist: unknown }
  expect(dist).toMatchObject({ shasum: sha1.digest('hex') })
  expect((await peakBytes(server.pid)) - before).toBeLessThan(GROWTH_BYTES_MAX)
})

/** The most memory that a process has had in use. */
async function peakBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

/** A publish of a large tarball, made while it is sent; `seen` gets the bytes before they are base64. */
async function* largePublish(seen: (bytes: Buffer) => void): AsyncGenerator<string> {
  const manifest = '{"name":"large","version":"1.0.0"}'
  yield `{"name":"large","versions":{"1.0.0":${manifest}},"_attachments":{"large-1.0.0.tgz":{"data":"`
  let rest: Uint8Array = new Uint8Array()
  for await (const bytes of largeTarball()) {
    seen(bytes)
    const all = Buffer.concat([rest, bytes])
    const whole = all.byteLength - (all.byteLength % 3)
    yield all.toString('base64', 0, whole)
    rest = all.subarray(whole)
  }
  yield `${Buffer.from(rest).toString('base64')}"}}}`
}

function largeTarball(): AsyncIterable<Buffer> {
  const tar = pack()
  tar.entry({ name: 'package/package.json' }, '{"name":"large","version":"1.0.0"}')
  const entry = tar.entry({ name: 'package/random.bin', size: CONTENT_BYTES }, () => tar.finalize())
  Readable.from(randomPieces()).pipe(entry as unknown as NodeJS.WritableStream)
  return Readable.from(tar).pipe(createGzip({ level: 0 }))
}

function* randomPieces(): Generator<Uint8Array> {
  const piece = randomBytes(MIB)
  for (let sent = 0; sent < CONTENT_BYTES; sent += MIB) yield piece
}
