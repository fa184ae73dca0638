import type { News, Siblings } from '../../../src/siblings.ts'
import type { FromWorker } from './messages.ts'

/** The other workers, by way of the parent. */
export interface ParentSiblings extends Siblings {
  /** Another one tells this. */
  spread(news: News): void
  /** All others have heard what was told under this number. */
  heard(id: number): void
  /** Nobody will hear of anything any more. */
  lost(): void
}

export function parentSiblings(tell: (message: FromWorker) => void): ParentSiblings {
  const listeners: ((news: News) => void)[] = []
  const untold = new Map<number, () => void>()
  let isLost = false
  let count = 0
  return {
    tell(news) {
      if (isLost) return Promise.resolve()
      const id = ++count
      tell({ news, id })
      return new Promise((resolve) => untold.set(id, resolve))
    },
    hear: (listener) => void listeners.push(listener),
    spread: (news) => listeners.forEach((listener) => listener(news)),
    heard(id) {
      untold.get(id)?.()
      untold.delete(id)
    },
    lost() {
      isLost = true
      for (const resolve of untold.values()) resolve()
      untold.clear()
    },
  }
}
