import { afterEach, describe, expect, it, vi } from 'vitest'

import { blobLocation } from '../../../src/blobs/blob-location.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { lateStore } from '../../../storage/blob/late-store.ts'
import { openS3BlobStore } from '../../../storage/blob/s3/store.ts'
import { describeWith, have } from '../../helpers/have.ts'
import { createBucket } from '../../helpers/s3.ts'
import { s3OptionsOf } from '../../helpers/s3-store.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const LOCATION = blobLocation('main', 'cd'.repeat(32))

describe('a store that could not be opened', () => {
  afterEach(() => void vi.useRealTimers())

  it('is not opened any more once it is closed: nobody would close it', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const down = new DepotError('STORAGE_DOWN', 'it was down')
    let tries = 0
    const store = lateStore(async () => {
      tries++
      throw down
    }, down)
    vi.advanceTimersByTime(LIMITS.storeRetryMs)
    await expect(store.ping?.()).rejects.toBe(down)
    await store[Symbol.asyncDispose]()
    vi.advanceTimersByTime(LIMITS.storeRetryMs)
    await expect(store.ping?.()).rejects.toBe(down)
    expect(tries).toBe(1)
  })
})

describeWith('s3', 'a bucket that was down at the start', () => {
  it('sends readers to itself once it is open, and to nowhere before', async () => {
    await using bucket = await createBucket(have.paths.s3)
    await using dir = await tempDir('late')
    const s3 = s3OptionsOf(bucket)
    const down = new DepotError('STORAGE_DOWN', 'it was down')
    await using store = lateStore(() => openS3BlobStore({ s3, spool: dir.path }), down)
    expect(store.url).toBeUndefined()
    await expect(store.stat(LOCATION)).rejects.toBe(down)
    const opened = async (): Promise<string> => store.stat(LOCATION).then(() => 'open', String)
    await expect.poll(opened, { timeout: 8 * LIMITS.storeRetryMs }).toBe('open')
    await using staged = await store.stage()
    await staged.write(Buffer.from('late, but there'))
    await staged.publish(LOCATION)
    const url = (await store.url?.(LOCATION, { expiresSeconds: 60 })) ?? ''
    expect(await (await fetch(url)).text()).toBe('late, but there')
  })
})
