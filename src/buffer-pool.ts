import { LIMITS } from './limits.ts'
import { shareOf } from './worker-share.ts'

/** Buffers of one size that are used again: memory outside the heap that comes and goes has the collector run every few megabytes. */
export interface BufferPool {
  /** A buffer with whatever was left in it. */
  take(): Uint8Array<ArrayBuffer>
  /** Nobody may use it any more, nor the system on anybody's behalf; whoever is not sure keeps it, and the collector gets it. */
  giveBack(buffer: Uint8Array<ArrayBuffer>): void
}

export function createBufferPool(sizeBytes: number, keptMax: number): BufferPool {
  const idle: Uint8Array<ArrayBuffer>[] = []
  return {
    take: () => idle.pop() ?? Buffer.allocUnsafeSlow(sizeBytes),
    giveBack(buffer) {
      if (idle.length < keptMax) idle.push(buffer)
    },
  }
}

/** Of `LIMITS.readBufferBytes`, for what is on its way to a response. */
export const readBuffers: BufferPool = createBufferPool(LIMITS.readBufferBytes, shareOf(LIMITS.readBuffersKept))

/** Of `LIMITS.frameBytes`, for what comes in and is to be compressed. */
export const frameBuffers: BufferPool = createBufferPool(LIMITS.frameBytes, shareOf(LIMITS.frameBuffersKept))
