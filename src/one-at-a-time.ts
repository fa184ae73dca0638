/**
 * Do some work whenever asked, never twice at once. Whoever asks while it is being done gets it done once more, together with all who
 * ask meanwhile: what they ask about may have come too late for it.
 */
export function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined
  function start(): Promise<void> {
    next = undefined
    running = work().finally(() => {
      running = undefined
    })
    return running
  }
  return () => {
    if (running === undefined) return start()
    next ??= running.then(start)
    return next
  }
}
