import { describe, expect, it } from 'vitest'

import { watchStoreUse } from '../../../src/blobs/store-use.ts'
import { openTestDepot } from '../../helpers/depot.ts'
import { storeBlob } from '../../helpers/several-stores.ts'

describe('how much lies in each store', () => {
  it('is counted from the rows once, and kept while blobs come: no upload looks at what others have stored', async () => {
    await using world = await openTestDepot()
    const { depot } = world
    for (const content of ['one', 'three', 'seven']) await storeBlob(depot, content)
    let pages = 0
    const blobPlaces: typeof depot.kv.blobPlaces = (after, limit) => {
      pages++
      return depot.kv.blobPlaces(after, limit)
    }
    const failures: unknown[] = []
    using use = await watchStoreUse(
      { blobPlaces },
      () => 'only',
      (error) => failures.push(error),
    )
    expect([use.bytes('only'), use.bytes('another')]).toEqual(['onethreeseven'.length, 0])
    const counted = pages
    for (let upload = 0; upload < 1000; upload++) use.add(upload % 2 === 0 ? 'only' : 'another', 10)
    expect([use.bytes('only'), use.bytes('another')]).toEqual(['onethreeseven'.length + 5000, 5000])
    expect([pages, failures]).toEqual([counted, []])
  })
})
