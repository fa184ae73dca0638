import { LIMITS } from '../../../src/limits.ts'
import { NoAnswer, statusOf } from './errors.ts'

/** How one request is sent. */
export interface Sending {
  readonly abortSignal: AbortSignal
  /** Of one attempt, from its beginning to the head of its answer. */
  readonly requestTimeout: number
}

export interface AskOptions {
  /** All attempts together, to the head of the answer; `LIMITS.s3AnswerMs` when absent. */
  readonly limitMs?: number
  /** One of them; `LIMITS.s3AttemptMs` when absent. */
  readonly attemptMs?: number
  /** Unanswered for so long it is sent once more beside; `LIMITS.s3BesideMs` when absent, and never when it is not to happen twice. */
  readonly besideMs?: number | 'never'
  /** Ends it early. */
  readonly stop?: AbortSignal
}

/** The times of a request that carries so many bytes. */
export function carrying(sizeBytes: number): Required<Omit<AskOptions, 'stop'>> {
  const slowMs = (sizeBytes / LIMITS.s3SlowBytesPerSecond) * 1000
  return {
    limitMs: LIMITS.s3AnswerMs + 3 * slowMs,
    attemptMs: LIMITS.s3AttemptMs + slowMs,
    besideMs: LIMITS.s3BesideMs + slowMs,
  }
}

/**
 * Send a request and wait for the head of its answer, for a limited time. A body goes on after it, however long it takes. What is refused
 * for the moment the SDK sends again; what is not answered at all is sent again beside, and the first answer counts.
 *
 * @throws NoAnswer when the time is over
 */
export async function asked<T>(
  send: (sending: Sending) => Promise<T>,
  { limitMs = LIMITS.s3AnswerMs, attemptMs = LIMITS.s3AttemptMs, besideMs, stop }: AskOptions = {},
): Promise<T> {
  const outcome = Promise.withResolvers<{ readonly answer: T; readonly by: AbortController }>()
  const sent: AbortController[] = []
  let failed = 0

  function sendOnce(): void {
    const by = new AbortController()
    sent.push(by)
    send({ abortSignal: by.signal, requestTimeout: attemptMs }).then(
      (answer) => outcome.resolve({ answer, by }),
      (error: unknown) => {
        failed++
        // What S3 refuses for good it would refuse the others too.
        if (failed === sent.length || (statusOf(error) ?? 500) < 500) outcome.reject(error)
      },
    )
  }

  // What the SDK does before it sends anything, looking for credentials above all, knows no signal.
  const timer = setTimeout(() => outcome.reject(new NoAnswer('no answer')), limitMs)
  const end = (): void => outcome.reject(new NoAnswer('nobody waits for it any more'))
  stop?.addEventListener('abort', end, { once: true })
  let winner: AbortController | undefined
  try {
    if (stop?.aborted === true) end()
    else sendOnce()
    using _beside = besideMs === 'never' ? undefined : sendBeside(sendOnce, besideMs)
    const { answer, by } = await outcome.promise
    winner = by
    return answer
  } finally {
    clearTimeout(timer)
    stop?.removeEventListener('abort', end)
    for (const other of sent) if (other !== winner) other.abort(new NoAnswer('another was answered, or none in time'))
  }
}

/** Requests of this process that go beside others. */
let besides = 0

/** Sends again now and then, a few times, and not while many do: a store that is slow, because it has much to do, is not given more. */
function sendBeside(sendOnce: () => void, everyMs = LIMITS.s3BesideMs): Disposable {
  let own = 0
  const timer = setInterval(() => {
    if (own >= LIMITS.s3BesideMax || besides >= LIMITS.s3BesidesMax) return
    own++
    besides++
    sendOnce()
  }, everyMs)
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      besides -= own
    },
  }
}
