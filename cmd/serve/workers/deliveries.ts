import { LIMITS } from '../../../src/limits.ts'

/** Watches over connections on their way to a process, one at a time. */
export interface Deliveries {
  sent(): void
  taken(): void
  /** The process was asked something. */
  asked(): void
  /** It has answered the oldest question. */
  answered(): void
}

/**
 * A process that may not open one more file gets a message without the connection that came with it, and Node drops both in silence. So it is
 * asked something when it is slow to say that it has taken one: messages keep their order, and the answer to a later one without that of the
 * earlier one tells.
 *
 * @param ask is to call `asked`
 * @param lost called for a connection that will not be taken
 */
export function watchDeliveries(ask: () => void, lost: () => void, waitMs = LIMITS.connectionTakenMs): Deliveries {
  let sent = 0
  let done = 0
  const sentBefore: number[] = []
  let timer: NodeJS.Timeout | undefined

  function finish(): void {
    clearTimeout(timer)
    done++
  }
  return {
    sent() {
      sent++
      timer = setTimeout(ask, waitMs).unref()
    },
    taken: finish,
    asked: () => void sentBefore.push(sent),
    answered() {
      if (done >= (sentBefore.shift() ?? 0)) return
      finish()
      lost()
    },
  }
}
