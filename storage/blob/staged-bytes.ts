import type { BlobLocation, StagedBytes } from '../../src/blobs/blob-store.ts'
import { checkLocation } from './location.ts'

/** What a store does with bytes on their way in. */
export interface Staging extends Pick<StagedBytes, 'write' | 'read'> {
  /** See `StagedBytes.publish`. May be called again when it failed. */
  publish(location: BlobLocation): Promise<void>
  /** Let go of them. Called once. @param isLeft whether they are not published */
  end(isLeft: boolean): Promise<void>
}

/** Staged bytes with which nothing can be done any more once they are published or disposed. */
export function stagedBytes(staging: Staging): StagedBytes {
  let state: 'open' | 'published' | 'disposed' = 'open'

  function demandOpen(): void {
    if (state !== 'open') throw new Error(`these bytes are ${state} already`)
  }

  return {
    async write(bytes) {
      demandOpen()
      await staging.write(bytes)
    },
    async read(range) {
      demandOpen()
      return staging.read(range)
    },
    async publish(location) {
      demandOpen()
      await staging.publish(checkLocation(location))
      state = 'published'
    },
    async [Symbol.asyncDispose]() {
      if (state === 'disposed') return
      const isLeft = state === 'open'
      state = 'disposed'
      await staging.end(isLeft)
    },
  }
}
