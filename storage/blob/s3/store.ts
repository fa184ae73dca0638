import { DeleteObjectCommand, HeadBucketCommand } from '@aws-sdk/client-s3'

import type { BlobLocation, BlobStore, StagedBytes } from '../../../src/blobs/blob-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { createTurns } from '../../../src/turns.ts'
import { asked } from './ask.ts'
import { objectAt, type Bucket } from './bucket.ts'
import { checkBucket, clockOffsetMs } from './check.ts'
import { createS3Clients } from './client.ts'
import { s3Error } from './errors.ts'
import { listObjects } from './list.ts'
import type { S3Options, S3Times } from './options.ts'
import { publishObject, type Uploads } from './publish.ts'
import { openObject } from './read.ts'
import { headObject } from './stat.ts'
import { sweepBucket } from './sweep.ts'
import { createUrlSigner } from './url.ts'
import { openSpool, type Spool, type SpooledFile } from './spool.ts'
import { stagedBytes } from '../staged-bytes.ts'

export interface S3BlobStoreOptions {
  readonly s3: S3Options
  /** Folder on this machine for what is being uploaded, made when it is not there. */
  readonly spool: string
  /** Only look at what is there: write nothing, and sweep nothing. */
  readonly existing?: boolean
  /** Told what an operator should know. */
  readonly warn?: (message: string) => void
  readonly times?: Partial<S3Times>
}

/**
 * Blobs as objects `<prefix><location>` of an S3 bucket. Bytes come into a file of this machine first: a client that goes away, or lies,
 * leaves nothing in the bucket, and what S3 fails to take is sent again. No write depends on a condition.
 *
 * @throws DepotError `STORAGE_DOWN` or `STORAGE_FULL` with one line that says which setting is wrong.
 */
export async function openS3BlobStore(options: S3BlobStoreOptions): Promise<BlobStore> {
  const { s3, existing = false, warn = () => {} } = options
  await using opening = new AsyncDisposableStack()
  const bucket: Bucket = {
    options: s3,
    clients: opening.use(createS3Clients(s3)),
    times: {
      stallMs: LIMITS.s3StallMs,
      besideMs: LIMITS.s3BesideMs,
      abandonedMs: LIMITS.s3AbandonedMs,
      ...options.times,
    },
  }
  await checkBucket(bucket, { writes: !existing })
  warnOfClock(bucket, warn)
  const spool = opening.use(await openSpool(options.spool, { existing }))
  if (!existing) opening.use(sweepNowAndThen(bucket))
  return blobStore(bucket, spool, opening.move())
}

function blobStore(bucket: Bucket, spool: Spool, opened: AsyncDisposableStack): BlobStore {
  const uploads: Uploads = { bucket, parts: createTurns(LIMITS.s3PartsAtOnce) }
  const { work } = bucket.clients
  const signUrl = createUrlSigner(bucket)

  async function translated<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      throw s3Error(error, bucket.options)
    }
  }

  return {
    stage: () => stageForUpload(spool, (location, file) => translated(() => publishObject(uploads, location, file))),
    open: (location, expected) => translated(() => openObject(bucket, location, expected)),
    stat: (location) =>
      translated(async () => {
        const head = await headObject(bucket, location)
        return head && { sizeBytes: head.sizeBytes }
      }),
    delete: (location) =>
      translated(async () => {
        const command = new DeleteObjectCommand(objectAt(bucket, location))
        await asked((sending) => work.send(command, sending))
      }),
    async *list(prefix, after) {
      try {
        yield* listObjects(bucket, prefix, after)
      } catch (error) {
        throw s3Error(error, bucket.options)
      }
    },
    ping: () =>
      translated(async () => {
        const command = new HeadBucketCommand({ Bucket: bucket.options.bucket })
        await asked((sending) => work.send(command, sending))
      }),
    url: (location, wanted) => translated(() => signUrl(location, wanted)),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** Bytes in a file of this machine until they are published. */
async function stageForUpload(
  spool: Spool,
  upload: (location: BlobLocation, file: SpooledFile) => Promise<void>,
): Promise<StagedBytes> {
  const file = await spool.create()
  return stagedBytes({
    write: file.write,
    read: file.read,
    publish: (location) => upload(location, file),
    end: async () => file[Symbol.asyncDispose](),
  })
}

function warnOfClock(bucket: Bucket, warn: (message: string) => void): void {
  const offsetMs = clockOffsetMs(bucket)
  if (Math.abs(offsetMs) < LIMITS.s3ClockWarnMs) return
  const minutes = Math.round(Math.abs(offsetMs) / 60_000)
  const way = offsetMs > 0 ? 'behind' : 'ahead of'
  warn(
    `the clock of this machine is ${minutes} minutes ${way} that of S3: requests are dated by the latter, but set the clock`,
  )
}

/** Once at the start and a few times a day, in the background: nothing depends on it. */
function sweepNowAndThen(bucket: Bucket): AsyncDisposable {
  const stop = new AbortController()
  let sweeping = Promise.resolve()
  const sweep = (): void => {
    sweeping = sweepBucket(bucket, stop.signal)
  }
  sweep()
  const timer = setInterval(sweep, LIMITS.s3SweepEveryMs)
  timer.unref()
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      stop.abort()
      await sweeping
    },
  }
}
