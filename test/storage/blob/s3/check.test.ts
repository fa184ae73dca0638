import { expect, it } from 'vitest'

import { openS3BlobStore } from '../../../../storage/blob/s3/store.ts'
import { startS3Proxy } from '../../../faults/s3-proxy.ts'
import { describeWith, have } from '../../../helpers/have.ts'
import { s3OptionsOf } from '../../../helpers/s3-store.ts'
import { createBucket } from '../../../helpers/s3.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'

describeWith('s3', 'a bucket that is looked at before it is used', () => {
  it.each(['stall', 'short', 'shrunk'] as const)(
    'is refused when it does not give back what it took (%s), and keeps nothing of it',
    async (fault) => {
      await using bucket = await createBucket(have.paths.s3)
      await using dir = await tempDir('s3-check')
      await using proxy = await startS3Proxy(bucket.endpoint, ({ method, url = '' }) =>
        method === 'GET' && url.includes('/probe-') ? fault : undefined,
      )
      const s3 = s3OptionsOf(bucket, { endpoint: proxy.endpoint })
      const opening = openS3BlobStore({ s3, spool: dir.path, times: { stallMs: 300 } })
      await expect(opening).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
      expect(proxy.met.get(fault)).toBeGreaterThan(0)
      expect(await bucket.keys()).toEqual([])
    },
  )
})
