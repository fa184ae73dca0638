import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { createTurns } from '../turns.ts'
import { readText } from './answer.ts'
import { backOffMs } from './back-off.ts'
import { fetchFrom, place, refused, type DownloadOptions } from './fetch-from.ts'
import { receiveBody, type Downloaded, type FileRequest } from './receive-body.ts'
import { TryAgain } from './transfer-answer.ts'

export interface Question {
  readonly url: URL
  readonly accept?: string
  readonly headers?: Readonly<Record<string, string>>
  /** By default `LIMITS.upstreamDocumentBytesMax`. */
  readonly bytesMax?: number
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Where it came from in the end: links in it are relative to this. */
  readonly url: URL
}

/** Fetches from registries, indexes and caches: some at once, tried again while they are down, gone on with where a line was cut. */
export interface Download {
  /**
   * A document. Any answer of the 2xx, 304 and 404 is an answer.
   *
   * @throws DepotError for other refusals, and `STORAGE_DOWN` when nobody answers
   */
  ask(question: Question): Promise<Answer>
  /**
   * A file, into a folder.
   *
   * @throws DepotError `CONTENT_MISMATCH` when it is not what was promised, `NOT_FOUND`, `TOO_LARGE`, other refusals, `STORAGE_DOWN`
   * when nobody answers, and what the folder says
   */
  file(request: FileRequest): Promise<Downloaded>
}

export function createDownload(options: DownloadOptions): Download {
  const { pauseMs = LIMITS.transferPauseMs } = options
  const turns = createTurns(LIMITS.downloadAtOnce)

  async function persist<T>(attempt: (tries: number) => Promise<T>): Promise<T> {
    await turns.take()
    try {
      for (let tries = 1; ; tries++) {
        try {
          return await attempt(tries)
        } catch (error) {
          if (!(error instanceof TryAgain)) throw error
          if (tries >= LIMITS.transferTriesMax) throw error.failure
          await pause(backOffMs(pauseMs, tries, error.waitMs))
        }
      }
    } finally {
      turns.giveBack()
    }
  }

  return {
    ask: (question) => persist(() => askOnce(options, question)),
    file: (request) => persist((tries) => receiveBody(options, request, tries)),
  }
}

async function askOnce(options: DownloadOptions, question: Question): Promise<Answer> {
  const { url, accept = '*/*', headers = {}, bytesMax = LIMITS.upstreamDocumentBytesMax } = question
  return await fetchFrom(options, url, { accept, ...headers }, async (response, alive) => {
    const text = await readText(response, bytesMax, alive)
    if (text === undefined) throw new DepotError('TOO_LARGE', `${place(url)} has more than ${bytesMax} bytes`)
    if (!response.ok && response.status !== 304 && response.status !== 404) throw refused(response, url)
    return { status: response.status, headers: response.headers, text, url: new URL(response.url) }
  })
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
