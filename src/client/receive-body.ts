import { DepotError, hasCode } from '../errors.ts'
import { fetchFrom, place, refused, type DownloadOptions } from './fetch-from.ts'
import type { Algorithm, Hashes, Receiving, SavedFolder } from './saved-files.ts'
import { TryAgain } from './transfer-answer.ts'

export interface FileRequest {
  readonly url: URL
  readonly folder: SavedFolder
  readonly path: string
  /** What was promised. The file becomes visible only when all of it is true. */
  readonly expected: { readonly hashes: Hashes; readonly sizeBytes?: number | undefined }
  /** A file that is longer is refused. */
  readonly sizeBytesMax: number
  /** Also wanted of what came: its digests by these functions. */
  readonly algorithms?: readonly (keyof Hashes)[]
  /**
   * Looks at a file that is as promised, before it becomes visible; it may read it more than once.
   *
   * @throws DepotError `CONTENT_MISMATCH` when it is not what it should be all the same
   */
  readonly verify?: (content: () => AsyncIterable<Uint8Array>) => Promise<void>
}

export interface Downloaded {
  readonly sizeBytes: number
  readonly hashes: Hashes
}

/** One try of a file: what is there of it stays, and is not asked for again. @throws DepotError, TryAgain */
export async function receiveBody(options: DownloadOptions, request: FileRequest, tries: number): Promise<Downloaded> {
  const { folder, path, expected, algorithms = [] } = request
  const wanted = [...new Set([...(Object.keys(expected.hashes) as Algorithm[]), ...algorithms])]
  await using receiving = await folder.receive(path, wanted)
  // Without a digest nothing would show that two parts are of one file.
  const checked = Object.keys(expected.hashes).length > 0 || request.verify !== undefined
  if (!checked || (expected.sizeBytes ?? Infinity) < receiving.sizeBytes) await receiving.restart()
  const resumed = receiving.sizeBytes > 0
  if (!resumed || receiving.sizeBytes !== expected.sizeBytes) await receiveRest(options, request, receiving)
  const wrong = mismatch(request, receiving) ?? (await refusal(request, receiving))
  if (wrong !== undefined) {
    await receiving.restart()
    // Parts of two files, or what was left was cut by a machine that went down: once from the beginning.
    throw resumed && tries === 1 ? new TryAgain(wrong) : wrong
  }
  await receiving.publish()
  return { sizeBytes: receiving.sizeBytes, hashes: receiving.hashes() }
}

async function receiveRest(options: DownloadOptions, request: FileRequest, receiving: Receiving): Promise<void> {
  const { url, sizeBytesMax } = request
  const from = receiving.sizeBytes
  const headers = { accept: '*/*', 'accept-encoding': 'identity', ...(from > 0 ? { range: `bytes=${from}-` } : {}) }
  await fetchFrom(options, url, headers, async (response, alive) => {
    // All of it is there already, or nothing is as it was.
    if (response.status === 416 && from > 0) return await response.body?.cancel()
    if (!response.ok) throw refused(response, url)
    if (from > 0 && !continues(response, from)) await receiving.restart()
    for await (const piece of response.body ?? []) {
      alive(piece.length)
      options.report.moved(piece.length)
      if (receiving.sizeBytes + piece.length > sizeBytesMax)
        throw new DepotError('TOO_LARGE', `${place(url)} has more than ${sizeBytesMax} bytes`)
      await receiving.write(piece)
    }
  })
}

function continues(response: Response, from: number): boolean {
  return response.status === 206 && (response.headers.get('content-range') ?? '').startsWith(`bytes ${from}-`)
}

async function refusal({ verify }: FileRequest, receiving: Receiving): Promise<DepotError | undefined> {
  try {
    await verify?.(() => receiving.content())
    return undefined
  } catch (error) {
    if (hasCode(error, 'CONTENT_MISMATCH')) return error
    throw error
  }
}

function mismatch({ url, expected }: FileRequest, receiving: Receiving): DepotError | undefined {
  const { sizeBytes } = receiving
  const told = (what: string): DepotError => new DepotError('CONTENT_MISMATCH', `${place(url)} ${what}`)
  if (expected.sizeBytes !== undefined && expected.sizeBytes !== sizeBytes)
    return told(`has ${sizeBytes} bytes instead of ${expected.sizeBytes}`)
  const hashes = receiving.hashes()
  for (const [algorithm, hash] of Object.entries(expected.hashes)) {
    const got = hashes[algorithm as Algorithm]
    if (got !== hash.toLowerCase()) return told(`has the ${algorithm} ${got} instead of ${hash}`)
  }
  return undefined
}
