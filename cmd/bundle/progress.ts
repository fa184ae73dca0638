import { size, startPace } from '../terminal/pace.ts'
import { startProgress } from '../terminal/progress.ts'

/** Tells on a terminal how far a bundle is. */
export interface BundleProgress extends Disposable {
  /** Something else begins: 'read', 'written'; of so many bytes, if that is known. */
  begin(verb: string, bytes?: number): void
  moved(bytes: number): void
}

export function startBundleProgress(): BundleProgress {
  const progress = startProgress(false)
  let verb = ''
  let pace = startPace(() => performance.now())
  return {
    begin(next, bytes) {
      verb = next
      pace = startPace(() => performance.now())
      if (bytes !== undefined) pace.expect({ bytes })
      progress.show(bytes === undefined ? verb : `${verb} 0 of ${size(bytes)}`)
    },
    moved(bytes) {
      if (pace.moved(bytes)) progress.show(`${verb} ${pace.text()}`)
    },
    [Symbol.dispose]: () => progress[Symbol.dispose](),
  }
}
