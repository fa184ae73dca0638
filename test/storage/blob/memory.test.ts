import { expect, it } from 'vitest'

import { blobLocation } from '../../../src/blobs/blob-location.ts'
import { openMemoryBlobStore } from '../../../storage/blob/memory.ts'
import { describeBlobStore } from '../../conformance/blob-store.ts'

describeBlobStore('memory', async () => {
  const store = openMemoryBlobStore()
  return { store, leftovers: async () => [], [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
})

const LOCATION = blobLocation('main', '1'.repeat(64))

it('says STORAGE_FULL above its limit, staged bytes included, and has room again when they are gone', async () => {
  await using store = openMemoryBlobStore({ limitBytes: 10 })
  {
    await using staged = await store.stage()
    await staged.write(new Uint8Array(8))
    await using other = await store.stage()
    await expect(other.write(new Uint8Array(3))).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  }
  await using staged = await store.stage()
  await staged.write(new Uint8Array(10))
  await staged.publish(LOCATION)
  await store.delete(LOCATION)
  await using again = await store.stage()
  await again.write(new Uint8Array(10))
})

it('counts a replaced blob once', async () => {
  await using store = openMemoryBlobStore({ limitBytes: 10 })
  for (let round = 0; round < 5; round++) {
    await using staged = await store.stage()
    await staged.write(new Uint8Array(5))
    await staged.publish(LOCATION)
  }
  expect(await store.stat(LOCATION)).toEqual({ sizeBytes: 5 })
})
