import { LIMITS } from '../limits.ts'

/** Takes what sends one answer, which must not throw, and how long that answer is, in bytes or characters. */
export type SendLater = (send: () => void, length: number) => void

/**
 * Has the answers of one turn of the event loop sent at its end, one right after the other. To send wakes the reader, who is often on
 * another core, asleep again since the answer before: sent between two requests, each answer costs as much again as all else about it, and
 * drives out of the processor's caches what the next request needs. Many, or long ones, do not wait for the end of the turn.
 */
export function sentTogether(): SendLater {
  let due: (() => void)[] = []
  let length = 0

  function sendAll(): void {
    const all = due
    due = []
    length = 0
    for (const send of all) send()
  }
  return (send, added) => {
    if (due.push(send) === 1) setImmediate(sendAll)
    length += added
    if (due.length >= LIMITS.sentTogetherMax || length >= LIMITS.sentTogetherLengthMax) sendAll()
  }
}
