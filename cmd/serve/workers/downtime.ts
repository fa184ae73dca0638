import { LIMITS } from '../../../src/limits.ts'

/** Watches over the time in which nobody serves. */
export interface Downtime extends Disposable {
  /** Rejects when for `LIMITS.workersDownMsMax` nobody could. */
  readonly tooLong: Promise<never>
  /** Nobody serves; of several reasons for it the last one given counts. */
  begin(why: unknown): void
  /** Somebody does. */
  end(): void
}

export function watchDowntime(limitMs: number = LIMITS.workersDownMsMax): Downtime {
  const tooLong = Promise.withResolvers<never>()
  tooLong.promise.catch(() => {})
  let timer: NodeJS.Timeout | undefined
  let reason: unknown

  function end(): void {
    clearTimeout(timer)
    timer = undefined
  }
  return {
    tooLong: tooLong.promise,
    begin(why) {
      reason = why
      timer ??= setTimeout(() => tooLong.reject(reason), limitMs)
    },
    end,
    [Symbol.dispose]: end,
  }
}
