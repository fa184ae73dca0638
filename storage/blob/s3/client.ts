import { addAbortSignal, Readable } from 'node:stream'

import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'

import { LIMITS } from '../../../src/limits.ts'
import { ReadingAgent } from '../../../src/node/reading-agent.ts'
import { BodyCut } from './errors.ts'
import type { S3Options } from './options.ts'
import { createRetries } from './retry.ts'

/** Two clients of one bucket. */
export interface S3Clients extends Disposable {
  /** For what readers take out, as slowly as they like: they leave the sockets of everything else alone. */
  readonly bodies: S3Client
  /** For everything that is over soon. */
  readonly work: S3Client
}

export function createS3Clients(options: S3Options): S3Clients {
  const bodies = new S3Client(clientConfig(options, LIMITS.s3BodySocketsMax, (bounds) => new ReadingAgent(bounds)))
  const work = new S3Client(clientConfig(options, LIMITS.s3WorkSocketsMax))
  boundAnswers(bodies, ({ statusCode }) => statusCode >= 300)
  boundAnswers(work, () => true)
  return {
    bodies,
    work,
    [Symbol.dispose]() {
      bodies.destroy()
      work.destroy()
    },
  }
}

interface Bounds {
  readonly keepAlive: boolean
  readonly maxSockets: number
}

/** @param httpAgent for what goes without TLS; Node's own when absent */
function clientConfig(
  options: S3Options,
  maxSockets: number,
  httpAgent: (bounds: Bounds) => Bounds | ReadingAgent = (bounds) => bounds,
): S3ClientConfig {
  const { endpoint, credentials } = options
  const bounds = { keepAlive: true, maxSockets }
  return {
    region: options.region,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials: { ...credentials } }),
    forcePathStyle: options.forcePathStyle,
    retryStrategy: createRetries(),
    requestChecksumCalculation: options.checksums ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED',
    // Frames have checksums of their own, and clients compare hashes: a sum that comes after the last byte is too late for a refusal.
    responseChecksumValidation: 'WHEN_REQUIRED',
    // It takes a new connection, beyond every bound, for each body.
    expectContinueHeader: false,
    followRegionRedirects: false,
    logger: SILENT,
    requestHandler: {
      connectionTimeout: LIMITS.s3ConnectMs,
      requestTimeout: LIMITS.s3AttemptMs,
      throwOnRequestTimeout: true,
      // A slow reader is no fault of S3: who waits for a body minds the time itself.
      socketTimeout: 0,
      httpAgent: httpAgent(bounds),
      httpsAgent: bounds,
      logger: SILENT,
    },
  }
}

/**
 * Let an answer that comes into memory be no larger than a page of a list, and come only while somebody waits for it: the SDK reads on to the
 * end, whatever comes.
 */
function boundAnswers({ config: { requestHandler } }: S3Client, isRead: (answer: { statusCode: number }) => boolean) {
  const handle = requestHandler.handle.bind(requestHandler)
  requestHandler.handle = async (request, options) => {
    const result = await handle(request, options)
    const { response } = result
    const body: unknown = response.body
    if (!(body instanceof Readable) || !isRead(response)) return result
    const signal = options !== undefined && 'abortSignal' in options ? options.abortSignal : undefined
    if (signal instanceof AbortSignal) addAbortSignal(signal, body)
    response.body = Readable.from(upTo(LIMITS.s3AnswerBytesMax, body))
    return result
  }
}

async function* upTo(limitBytes: number, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.byteLength
    if (bytes > limitBytes) throw new BodyCut('an answer without end')
    yield piece
  }
}

const nothing = (): void => {}
/** The SDK would print, and what it prints may say more than it should. */
const SILENT = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing }
