import { ListObjectsV2Command, type _Object as ListedObject } from '@aws-sdk/client-s3'

import type { BlobLocation } from '../../../src/blobs/blob-store.ts'
import { isLocation } from '../location.ts'
import { asked } from './ask.ts'
import type { Bucket } from './bucket.ts'
import { BodyCut } from './errors.ts'

/** Locations below our prefix, a page at a time; strange objects are passed over. */
export async function* listObjects(bucket: Bucket, prefix: string, after = ''): AsyncGenerator<BlobLocation> {
  for await (const { Key = '' } of listAll(bucket, { prefix, after })) {
    const location = Key.slice(bucket.options.prefix.length)
    if (Key.startsWith(bucket.options.prefix) && isLocation(location)) yield location
  }
}

export interface ListAllOptions {
  /** What stands behind our own prefix. */
  readonly prefix: string
  /** Begin behind this, which stands behind our own prefix too. */
  readonly after?: string
  readonly stop?: AbortSignal
}

/** Whatever S3 has, a page at a time. */
export async function* listAll(
  { options, clients }: Bucket,
  { prefix, after = '', ...until }: ListAllOptions,
): AsyncGenerator<ListedObject> {
  const place = {
    Bucket: options.bucket,
    Prefix: options.prefix + prefix,
    ...(after === '' ? {} : { StartAfter: options.prefix + after }),
  }
  let ContinuationToken: string | undefined
  let began: string | undefined
  do {
    const command = new ListObjectsV2Command({
      ...place,
      ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
    })
    const page = await asked((sending) => clients.work.send(command, sending), until)
    const first = page.Contents?.[0]?.Key
    if (first !== undefined && first === began) throw new BodyCut('a list that goes in circles')
    began = first
    yield* page.Contents ?? []
    const next = page.IsTruncated === true ? page.NextContinuationToken : undefined
    if (next !== undefined && next === ContinuationToken) throw new BodyCut('a list that does not go on')
    ContinuationToken = next
  } while (ContinuationToken !== undefined)
}
