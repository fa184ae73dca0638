import type { BlobStore } from '../../src/blobs/blob-store.ts'
import { LIMITS } from '../../src/limits.ts'

/**
 * A store that could not be opened when the server started. Whoever wants something of it has it tried again, every
 * `LIMITS.storeRetryMs` at most, and meets the error that kept it from being opened.
 */
export function lateStore(open: () => Promise<BlobStore>, failure: unknown): BlobStore {
  let opened: BlobStore | undefined
  let opening: Promise<BlobStore> | undefined
  let failed = { error: failure, atMs: performance.now() }
  let isClosed = false

  async function tryAgain(): Promise<BlobStore> {
    try {
      opened = await open()
      return opened
    } catch (error) {
      failed = { error, atMs: performance.now() }
      throw error
    } finally {
      opening = undefined
    }
  }

  async function store(): Promise<BlobStore> {
    if (opened !== undefined) return opened
    // What is opened now nobody would close.
    if (isClosed) throw failed.error
    if (opening === undefined && performance.now() - failed.atMs < LIMITS.storeRetryMs) throw failed.error
    opening ??= tryAgain()
    return opening
  }

  return {
    stage: async () => (await store()).stage(),
    open: async (location, expected) => (await store()).open(location, expected),
    readInline: (location, sizeBytes) => opened?.readInline?.(location, sizeBytes),
    stat: async (location) => (await store()).stat(location),
    delete: async (location) => (await store()).delete(location),
    async *list(prefix, after) {
      yield* (await store()).list(prefix, after)
    },
    // Until it is opened nobody knows whether it has one, and the depot sends the bytes.
    get url() {
      return opened?.url
    },
    ping: async () => (await store()).ping?.(),
    space: async () => (await store()).space?.(),
    async [Symbol.asyncDispose]() {
      isClosed = true
      await opening?.catch(() => {})
      await opened?.[Symbol.asyncDispose]()
    },
  }
}
