import { AbortMultipartUploadCommand, ListMultipartUploadsCommand, type MultipartUpload } from '@aws-sdk/client-s3'

import { isLocation } from '../location.ts'
import { asked } from './ask.ts'
import type { Bucket } from './bucket.ts'
import { clockOffsetMs, sweepProbes } from './check.ts'
import { statusOf } from './errors.ts'

/** Remove what processes that were killed have left in a bucket: S3 charges for what it keeps. What cannot be removed now stays for the next time. */
export async function sweepBucket(bucket: Bucket, stop: AbortSignal): Promise<void> {
  // By the clock of S3, which dates all of it: that of this machine may be days ahead.
  const beforeMs = Date.now() + clockOffsetMs(bucket) - bucket.times.abandonedMs
  await Promise.allSettled([sweepProbes(bucket, beforeMs, stop), sweepUploads(bucket, beforeMs, stop)])
}

/**
 * Abort uploads in parts of our own that nobody goes on with. Servers that cannot list them have their own ways; a bucket's life cycle does
 * the same.
 */
async function sweepUploads(bucket: Bucket, beforeMs: number, stop: AbortSignal): Promise<void> {
  const { options, clients } = bucket
  let found = false
  async function sweep(uploads: AsyncIterable<MultipartUpload>): Promise<void> {
    for await (const { Key = '', UploadId, Initiated } of uploads) {
      found = true
      const isOurs = Key.startsWith(options.prefix) && isLocation(Key.slice(options.prefix.length))
      if (!isOurs || Initiated === undefined || Initiated.getTime() > beforeMs) continue
      const abort = new AbortMultipartUploadCommand({ Bucket: options.bucket, Key, UploadId })
      await asked((sending) => clients.work.send(abort, sending), { stop }).catch(unlessRefused)
    }
  }
  await sweep(listUploads(bucket, options.prefix, stop))
  // MinIO takes a prefix for the whole key.
  if (!found && options.prefix !== '') await sweep(listUploads(bucket, '', stop))
}

/** What S3 refuses of one upload, above all because another server has aborted it meanwhile, says nothing of the others. */
function unlessRefused(error: unknown): void {
  if ((statusOf(error) ?? 500) >= 500) throw error
}

/** Where the next page of a list begins. */
interface Marker {
  readonly KeyMarker?: string
  readonly UploadIdMarker?: string
}

async function* listUploads(
  { options, clients }: Bucket,
  Prefix: string,
  stop: AbortSignal,
): AsyncGenerator<MultipartUpload> {
  let marker: Marker | undefined = {}
  while (marker !== undefined) {
    const list: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
      Bucket: options.bucket,
      ...(Prefix === '' ? {} : { Prefix }),
      ...marker,
    })
    const page = await asked((sending) => clients.work.send(list, sending), { stop })
    yield* page.Uploads ?? []
    const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = page
    const next: Marker | undefined =
      IsTruncated !== true || NextKeyMarker === undefined
        ? undefined
        : {
            KeyMarker: NextKeyMarker,
            ...(NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }),
          }
    // One that does not go on would be asked for without end.
    const goesOn: boolean = next?.KeyMarker !== marker.KeyMarker || next?.UploadIdMarker !== marker.UploadIdMarker
    marker = goesOn ? next : undefined
  }
}
