import type { BlobLocation, BlobStore, StagedBytes, StoredBytes } from '../../src/blobs/blob-store.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { checkLocation } from './location.ts'
import { stagedBytes } from './staged-bytes.ts'

export interface MemoryBlobStoreOptions {
  /** Bytes kept at most, staged ones included; `LIMITS.memoryStoreBytesMax` when absent. */
  readonly limitBytes?: number
}

/** Blobs in this process's memory, gone with it: for tests and trials. Over its limit it says `STORAGE_FULL`. */
export function openMemoryBlobStore({
  limitBytes = LIMITS.memoryStoreBytesMax,
}: MemoryBlobStoreOptions = {}): BlobStore {
  const blobs = new Map<BlobLocation, Uint8Array>()
  const budget = byteBudget(limitBytes)

  function remove(location: BlobLocation): void {
    budget.release(blobs.get(location)?.byteLength ?? 0)
    blobs.delete(location)
  }

  function publish(location: BlobLocation, bytes: Uint8Array): void {
    remove(location)
    blobs.set(location, bytes)
  }

  return {
    stage: async () => stageInMemory(budget, publish),
    async open(location) {
      const bytes = blobs.get(checkLocation(location))
      if (bytes === undefined) throw new DepotError('NOT_FOUND', 'not found')
      return storedInMemory(bytes)
    },
    readInline(location, sizeBytes) {
      const bytes = blobs.get(checkLocation(location))
      return bytes?.byteLength === sizeBytes ? bytes : undefined
    },
    async stat(location) {
      const bytes = blobs.get(checkLocation(location))
      return bytes === undefined ? undefined : { sizeBytes: bytes.byteLength }
    },
    delete: async (location) => remove(checkLocation(location)),
    async *list(prefix, after = '' as BlobLocation) {
      yield* [...blobs.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
    },
    ping: async () => {},
    async [Symbol.asyncDispose]() {
      blobs.clear()
    },
  }
}

interface Budget {
  /** @throws DepotError `STORAGE_FULL` */
  claim(sizeBytes: number): void
  release(sizeBytes: number): void
}

function byteBudget(limitBytes: number): Budget {
  let usedBytes = 0
  return {
    claim(sizeBytes) {
      if (usedBytes + sizeBytes > limitBytes)
        throw new DepotError('STORAGE_FULL', `the memory store holds ${limitBytes} bytes`)
      usedBytes += sizeBytes
    },
    release(sizeBytes) {
      usedBytes -= sizeBytes
    },
  }
}

function stageInMemory(budget: Budget, publish: (location: BlobLocation, bytes: Uint8Array) => void): StagedBytes {
  const pieces: Uint8Array[] = []
  let sizeBytes = 0
  return stagedBytes({
    async write(bytes) {
      budget.claim(bytes.byteLength)
      pieces.push(Uint8Array.from(bytes))
      sizeBytes += bytes.byteLength
    },
    read: async ({ start, end }) => Buffer.concat(pieces).subarray(start, end),
    publish: async (location) => publish(location, Buffer.concat(pieces)),
    async end(isLeft) {
      if (isLeft) budget.release(sizeBytes)
      pieces.length = 0
    },
  })
}

function storedInMemory(bytes: Uint8Array): StoredBytes {
  return {
    sizeBytes: bytes.byteLength,
    async read(target, offset) {
      const piece = bytes.subarray(offset, offset + target.byteLength)
      target.set(piece)
      return piece.byteLength
    },
    async [Symbol.asyncDispose]() {},
  }
}
