import { createTurns } from '../turns.ts'
import { DepotError } from '../errors.ts'
import type { MaybePromise } from '../kv-store.ts'
import { LIMITS } from '../limits.ts'
import { backOffMs } from './back-off.ts'
import type { TokenSource } from './token-source.ts'
import { endsTransfer, readGoodAnswer, TryAgain, withoutAnswer } from './transfer-answer.ts'

export interface TransferOptions {
  /** The depot's base. */
  readonly url: URL
  readonly credentials: TokenSource
  readonly userAgent: string
  /** Before the second try of a request; each further pause is twice as long. By default `LIMITS.transferPauseMs`. */
  readonly pauseMs?: number
  /** For an answer from its first to its last byte. By default `LIMITS.transferAnswerMsMax`. */
  readonly answerMsMax?: number
}

export interface TransferRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST'
  /** Below the depot's URL, as it goes over the wire. */
  readonly path: `/${string}`
  readonly accept?: string
  readonly contentType?: string
  /** Of the body, where the depot takes it so. */
  readonly contentEncoding?: 'zstd'
  /** Others may well be let through when this one is forbidden: that ends nothing but itself. */
  readonly alone?: boolean
  /** Made anew for each try. */
  readonly body?: () => MaybePromise<Blob | string | AsyncIterable<Uint8Array>>
}

/** Moves many things into a depot: some requests at once, tried again while the depot is down or asks to wait. */
export interface Transfer {
  /**
   * Send one request; resolves with the text of a good answer. No redirect is followed: the credentials are for this depot.
   *
   * @throws DepotError what the depot says against it. One that `endsTransfer` cuts off what is under way too, and every later
   * request fails with it.
   */
  send(request: TransferRequest): Promise<string>
}

export function createTransfer(options: TransferOptions): Transfer {
  const turns = createTurns(LIMITS.transferAtOnce)
  const ended = new AbortController()

  /** One try. Whatever an end cut off fails with its reason. */
  async function attempt(request: TransferRequest): Promise<string> {
    await turns.take()
    try {
      ended.signal.throwIfAborted()
      return await sendOnce(options, request, ended.signal)
    } catch (error) {
      throw ended.signal.aborted ? ended.signal.reason : withoutAnswer(options.url, error)
    } finally {
      turns.giveBack()
    }
  }

  return {
    async send(request) {
      for (let tries = 1; ; tries++) {
        try {
          return await attempt(request)
        } catch (error) {
          const again = error instanceof TryAgain ? error : undefined
          if (again !== undefined && tries < LIMITS.transferTriesMax) {
            await pause(backOffMs(options.pauseMs ?? LIMITS.transferPauseMs, tries, again.waitMs), ended.signal)
            continue
          }
          const failure = again?.failure ?? error
          if (endsTransfer(failure) && !(request.alone === true && isRefusal(failure))) ended.abort(failure)
          throw failure
        }
      }
    },
  }
}

function isRefusal(error: DepotError): boolean {
  return error.code === 'FORBIDDEN' || error.code === 'UNAUTHENTICATED'
}

async function sendOnce(
  { url, credentials, userAgent, answerMsMax = LIMITS.transferAnswerMsMax }: TransferOptions,
  { method, path, accept = '*/*', contentType, contentEncoding, body }: TransferRequest,
  signal: AbortSignal,
): Promise<string> {
  const target = new URL(url.href.replace(/\/$/, '') + path)
  const authorization = await credentials.authorization({ method, path: target.pathname })
  const headers = {
    'user-agent': userAgent,
    accept,
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
    ...(contentEncoding === undefined ? {} : { 'content-encoding': contentEncoding }),
    ...(authorization === undefined ? {} : { authorization }),
  }
  // A length that is not known before asks for HTTP's own framing, which fetch calls half duplex.
  const sent = body === undefined ? {} : { body: await body(), duplex: 'half' as const }
  const late = new AbortController()
  const either = AbortSignal.any([signal, late.signal])
  const response = await fetch(target, { method, headers, redirect: 'error', signal: either, ...sent })
  // An upload may take hours. What a depot says of it has some kilobytes, and one that never ends would hold the import up for ever.
  const timer = setTimeout(() => late.abort(new TryAgain(tooSlow(url))), answerMsMax)
  try {
    return await readGoodAnswer(response)
  } finally {
    clearTimeout(timer)
  }
}

function tooSlow({ origin }: URL): DepotError {
  return new DepotError('STORAGE_DOWN', `${origin} answers too slowly`)
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error)
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal.addEventListener('abort', stop, { once: true })
  })
}
