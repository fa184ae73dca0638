import { LIMITS } from './limits.ts'

let sliceStart = 0
let pause: Promise<void> | undefined

/**
 * Await this between the steps of work that may be long: when all such work has held the event loop for `LIMITS.workSliceMs`, everybody
 * else has a turn first. A database that answers at once leaves no gap by itself, however many answers there are.
 */
export async function breath(): Promise<void> {
  // Again after each pause: of many that waited for it, the first ones may use up the next slice.
  while (performance.now() - sliceStart >= LIMITS.workSliceMs) await (pause ??= nextSlice())
}

function nextSlice(): Promise<void> {
  return new Promise((resolve) =>
    setImmediate(() => {
      sliceStart = performance.now()
      pause = undefined
      resolve()
    }),
  )
}
