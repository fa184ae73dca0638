import type { BlobLocation } from '../../../src/blobs/blob-store.ts'
import { checkLocation } from '../location.ts'
import type { S3Clients } from './client.ts'
import type { S3Options, S3Times } from './options.ts'

/** What every operation on a bucket needs. */
export interface Bucket {
  readonly options: S3Options
  readonly clients: S3Clients
  readonly times: S3Times
}

/** How S3 is to keep an object. */
export function keptAs({ encryption, kmsKeyId, storageClass }: S3Options) {
  return {
    ContentType: 'application/octet-stream',
    ...(encryption === undefined ? {} : { ServerSideEncryption: encryption }),
    ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId }),
    // Of the words there are S3 knows more than the SDK of one day.
    ...(storageClass === undefined ? {} : { StorageClass: storageClass as 'STANDARD' }),
  }
}

/** How an object is called in requests. @throws DepotError `INVALID_NAME` for a location that is none */
export function objectAt(
  { options }: Pick<Bucket, 'options'>,
  location: BlobLocation,
): { Bucket: string; Key: string } {
  return { Bucket: options.bucket, Key: options.prefix + checkLocation(location) }
}
