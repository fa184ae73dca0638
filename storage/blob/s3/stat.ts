import { HeadObjectCommand } from '@aws-sdk/client-s3'

import type { BlobLocation } from '../../../src/blobs/blob-store.ts'
import { asked } from './ask.ts'
import { objectAt, type Bucket } from './bucket.ts'
import { BodyCut, isMissingObject } from './errors.ts'

/** What S3 says of an object without sending it; undefined when there is none. */
export async function headObject(
  bucket: Bucket,
  location: BlobLocation,
): Promise<{ readonly sizeBytes: number; readonly etag: string } | undefined> {
  const command = new HeadObjectCommand(objectAt(bucket, location))
  try {
    const { ContentLength, ETag } = await asked((sending) => bucket.clients.work.send(command, sending))
    if (ContentLength !== undefined && ETag !== undefined) return { sizeBytes: ContentLength, etag: ETag }
  } catch (error) {
    if (isMissingObject(error)) return undefined
    throw error
  }
  // It comes from something on the way: S3 says always how large an object is, and which one.
  throw new BodyCut('an answer that does not say what it is of')
}
