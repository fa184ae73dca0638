import { ListObjectsV2Command } from '@aws-sdk/client-s3'

import type { BlobLocation } from '../../../src/blobs/blob-store.ts'
import { isLocation } from '../location.ts'
import { asked } from './ask.ts'
import type { Bucket } from './bucket.ts'
import { BodyCut } from './errors.ts'

/** Locations below our prefix, a page at a time; strange objects are passed over. */
export async function* listObjects(bucket: Bucket, prefix: string, after = ''): AsyncGenerator<BlobLocation> {
  const { options, clients } = bucket
  const place = {
    Bucket: options.bucket,
    Prefix: options.prefix + prefix,
    ...(after === '' ? {} : { StartAfter: options.prefix + after }),
  }
  let ContinuationToken: string | undefined
  do {
    const command = new ListObjectsV2Command({
      ...place,
      ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
    })
    const page = await asked((sending) => clients.work.send(command, sending))
    for (const { Key = '' } of page.Contents ?? []) {
      const location = Key.slice(options.prefix.length)
      if (Key.startsWith(options.prefix) && isLocation(location)) yield location
    }
    const next = page.IsTruncated === true ? page.NextContinuationToken : undefined
    if (next !== undefined && next === ContinuationToken) throw new BodyCut('a list that does not go on')
    ContinuationToken = next
  } while (ContinuationToken !== undefined)
}
