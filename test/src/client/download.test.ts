import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'

import { describe, expect, it } from 'vitest'

import { createDownload, type Download } from '../../../src/client/download.ts'
import type { DownloadOptions } from '../../../src/client/fetch-from.ts'
import type { SavedFolder } from '../../../src/client/saved-files.ts'
import { DepotError } from '../../../src/errors.ts'
import { openSavedFolder } from '../../../src/node/saved-folder.ts'
import { tempDir } from '../../helpers/temp-dir.ts'
import { startUpstream } from '../../helpers/upstream.ts'

const BYTES = Buffer.from('what was promised, '.repeat(1000))
const SHA256 = createHash('sha256').update(BYTES).digest('hex')
const PROMISED = { expected: { hashes: { sha256: SHA256 } }, sizeBytesMax: 1_000_000 } as const

/** For what is never silent so long, but where it should be given up. */
const SHORT = { silenceMs: 300 }

interface World extends AsyncDisposable {
  readonly download: Download
  readonly folder: SavedFolder
  readonly url: URL
  readonly requests: readonly IncomingMessage[]
  readonly at: string
  readonly moved: () => number
}

/** An upstream that answers the n-th request as it is told, a folder, and a download that hardly waits to try again. */
async function world(
  answer: (count: number, outgoing: ServerResponse, incoming: IncomingMessage) => unknown,
  more: Pick<DownloadOptions, 'authorization' | 'silenceMs'> = {},
): Promise<World> {
  let count = 0
  await using stack = new AsyncDisposableStack()
  const dir = stack.use(await tempDir())
  const upstream = stack.use(await startUpstream((incoming, outgoing) => void answer(++count, outgoing, incoming)))
  const folder = stack.use(await openSavedFolder(dir.path))
  let moved = 0
  const report = { moved: (bytes: number) => void (moved += bytes) }
  const download = createDownload({ userAgent: 'a test', report, pauseMs: 1, ...more })
  const held = stack.move()
  return {
    download,
    folder,
    url: new URL(upstream.url),
    requests: upstream.requests,
    at: dir.path,
    moved: () => moved,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** Serves ranges, and cuts the connection after so many bytes of each answer. */
function ranges(cutAt: number) {
  return (_: number, outgoing: ServerResponse, incoming: IncomingMessage): void => {
    const from = Number(/^bytes=(\d+)-$/.exec(incoming.headers.range ?? '')?.[1] ?? 0)
    const rest = BYTES.subarray(from)
    outgoing.writeHead(from > 0 ? 206 : 200, {
      'Content-Length': rest.length,
      ...(from > 0 ? { 'Content-Range': `bytes ${from}-${BYTES.length - 1}/${BYTES.length}` } : {}),
    })
    outgoing.write(rest.subarray(0, cutAt), () => (rest.length > cutAt ? outgoing.destroy() : outgoing.end()))
  }
}

describe('a download', () => {
  it('goes on where the line was cut, and tells what moved', async () => {
    await using it = await world(ranges(5000))
    const { folder, download, url } = it
    expect(await download.file({ folder, url, path: 'a/file', ...PROMISED })).toMatchObject({ sizeBytes: BYTES.length })
    expect(it.requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      'bytes=5000-',
      'bytes=10000-',
      'bytes=15000-',
    ])
    expect(it.moved()).toBe(BYTES.length)
    expect((await readFile(`${it.at}/a/file`)).equals(BYTES)).toBe(true)
  })

  it('starts again from nothing when what an earlier run left does not fit', async () => {
    await using it = await world(ranges(1e6))
    {
      await using left = await it.folder.receive('file', ['sha256'])
      await left.write(Buffer.from('something else'))
    }
    await it.download.file({ folder: it.folder, url: it.url, path: 'file', ...PROMISED })
    expect((await readFile(`${it.at}/file`)).equals(BYTES)).toBe(true)
    expect(it.requests).toHaveLength(2)
  })

  it('asks for nothing when all of a file was left by an earlier run', async () => {
    await using it = await world((_, outgoing) => outgoing.writeHead(500).end())
    {
      await using left = await it.folder.receive('file', ['sha256'])
      await left.write(BYTES)
    }
    const expected = { hashes: { sha256: SHA256 }, sizeBytes: BYTES.length }
    await it.download.file({ folder: it.folder, url: it.url, path: 'file', ...PROMISED, expected })
    expect(it.requests).toHaveLength(0)
  })

  it('begins again where the upstream does not continue, and where nothing would tell that two parts belong together', async () => {
    await using it = await world((count, outgoing) => {
      outgoing.writeHead(200, { 'Content-Length': BYTES.length })
      if (count === 1) outgoing.write(BYTES.subarray(0, 5000), () => outgoing.destroy())
      else outgoing.end(BYTES)
    })
    const { folder, download, url } = it
    const nothing = { expected: { hashes: {} }, sizeBytesMax: 1e6, algorithms: ['sha256'] } as const
    expect((await download.file({ folder, url, path: 'a', ...PROMISED })).hashes).toEqual({ sha256: SHA256 })
    expect((await download.file({ folder, url, path: 'b', ...nothing })).hashes).toEqual({ sha256: SHA256 })
  })

  it.each([
    ['other bytes', (outgoing: ServerResponse) => outgoing.end('something else'), 'CONTENT_MISMATCH'],
    ['nothing', (outgoing: ServerResponse) => outgoing.end(), 'CONTENT_MISMATCH'],
    ['no such file', (outgoing: ServerResponse) => outgoing.writeHead(404).end(), 'NOT_FOUND'],
    ['a door that is shut', (outgoing: ServerResponse) => outgoing.writeHead(403).end(), 'FORBIDDEN'],
    ['a failure each time', (outgoing: ServerResponse) => outgoing.writeHead(500).end(), 'STORAGE_DOWN'],
    ['a cut each time', (outgoing: ServerResponse) => outgoing.destroy(), 'STORAGE_DOWN'],
    ['more than may be', (outgoing: ServerResponse) => outgoing.end(Buffer.alloc(1_000_001)), 'TOO_LARGE'],
    ['never a byte', () => {}, 'STORAGE_DOWN'],
  ])('shows no file for %s', async (_what, answer, code) => {
    await using it = await world((_, outgoing) => void answer(outgoing), code === 'STORAGE_DOWN' ? SHORT : {})
    const asked = it.download.file({ folder: it.folder, url: it.url, path: 'file', ...PROMISED })
    await expect(asked).rejects.toMatchObject({ code })
    expect((await readdir(it.at)).filter((name) => !name.startsWith('.'))).toEqual([])
  })

  it('shows a file only when whoever looks into it finds it good, and goes on with one that has no digest', async () => {
    await using it = await world(ranges(5000))
    const seen: number[] = []
    const looked = async (content: () => AsyncIterable<Uint8Array>, good: boolean): Promise<void> => {
      for (const _ of [1, 2])
        seen.push((await Array.fromAsync(content())).reduce((sum, piece) => sum + piece.length, 0))
      if (!good) throw new DepotError('CONTENT_MISMATCH', 'not what is in it')
    }
    const request = { folder: it.folder, url: it.url, sizeBytesMax: 1e6, expected: { hashes: {} } }
    await it.download.file({ ...request, path: 'good', verify: (content) => looked(content, true) })
    expect(it.requests.at(-1)?.headers.range).toBe('bytes=15000-')
    const bad = it.download.file({ ...request, path: 'bad', verify: (content) => looked(content, false) })
    await expect(bad).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' })
    expect(seen.length % 2).toBe(0)
    expect(new Set(seen)).toEqual(new Set([BYTES.length]))
    expect((await readdir(it.at)).filter((name) => !name.startsWith('.'))).toEqual(['good'])
  })

  it('waits for what comes slowly but does come, and not for drops', async () => {
    const text = 'some text, '.repeat(1500)
    const dripping = (pieceLength: number, everyMs: number) => async (_: number, outgoing: ServerResponse) => {
      for (let at = 0; at < text.length && !outgoing.destroyed; at += pieceLength) {
        outgoing.write(text.slice(at, at + pieceLength))
        await new Promise((resolve) => setTimeout(resolve, everyMs))
      }
      outgoing.end()
    }
    // All of it takes longer than a silence may, and each piece much less.
    await using slow = await world(dripping(3300, 800), { silenceMs: 3000 })
    expect((await slow.download.ask({ url: slow.url })).text).toBe(text)
    expect(slow.requests).toHaveLength(1)
    await using drops = await world(dripping(1, 50), { silenceMs: 700 })
    await expect(drops.download.ask({ url: drops.url })).rejects.toThrow('answers too slowly')
    const file = { folder: drops.folder, url: drops.url, path: 'file', ...PROMISED }
    await expect(drops.download.file(file)).rejects.toThrow('answers too slowly')
  })

  it('answers with documents, a 304 and a 404 among them, after a wait that was asked for', async () => {
    await using it = await world((count, outgoing) => {
      if (count === 1) outgoing.writeHead(429, { 'Retry-After': '0' }).end()
      else if (count === 2) outgoing.writeHead(200, { ETag: '"1"' }).end('document')
      else outgoing.writeHead(count === 3 ? 304 : 404).end()
    })
    const { url, download } = it
    const first = await download.ask({ url, accept: 'application/json' })
    expect([first.status, first.text, first.headers.get('etag')]).toEqual([200, 'document', '"1"'])
    expect((await download.ask({ url, headers: { 'if-none-match': '"1"' } })).status).toBe(304)
    expect((await download.ask({ url })).status).toBe(404)
    await expect(download.ask({ url, bytesMax: 0 })).resolves.toMatchObject({ status: 404 })
  })

  it('shows credentials to their own origin only, and nobody in a message', async () => {
    await using elsewhere = await world((_, outgoing) => outgoing.end('there'))
    await using it = await world(
      (_, outgoing, incoming) =>
        incoming.url === '/moved'
          ? outgoing.writeHead(302, { Location: elsewhere.url.href }).end()
          : outgoing.writeHead(401).end(),
      { authorization: () => 'Bearer secret' },
    )
    const { download, url } = it
    expect((await download.ask({ url: new URL('/moved', url) })).text).toBe('there')
    expect(it.requests.at(-1)?.headers.authorization).toBe('Bearer secret')
    expect(elsewhere.requests.at(-1)?.headers.authorization).toBeUndefined()
    const withPassword = new URL('/x?token=secret', url.href.replace('//', '//user:secret@'))
    const failure = await createDownload({ userAgent: 'a test', report: { moved() {} } })
      .ask({ url: withPassword })
      .catch(String)
    expect(failure).toContain('answers 401: it wants credentials')
    expect(failure).not.toContain('secret')
    const sent = it.requests.at(-1)?.headers.authorization ?? ''
    expect(Buffer.from(sent.replace('Basic ', ''), 'base64').toString()).toBe('user:secret')
  })
})
