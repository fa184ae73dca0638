import type { S3ClientConfig } from '@aws-sdk/client-s3'

import { LIMITS } from '../../../src/limits.ts'

type RetryStrategy = Extract<NonNullable<S3ClientConfig['retryStrategy']>, { recordSuccess: unknown }>
type RetryToken = Awaited<ReturnType<RetryStrategy['acquireInitialRetryToken']>>

/**
 * When the SDK sends again what was refused for the moment, or got no answer in its time: with pauses of a random part of a length that
 * doubles, and as long as enough other requests succeed. Its own strategy gives up when some thirty of many requests fail at a time, though
 * one in ten may.
 */
export function createRetries(random: () => number = Math.random): RetryStrategy {
  let budget: number = LIMITS.s3RetriesAtOnceMax

  async function refreshRetryTokenForRetry(
    token: RetryToken,
    { errorType, retryAfterHint }: Parameters<RetryStrategy['refreshRetryTokenForRetry']>[1],
  ): Promise<RetryToken> {
    const isPassing = errorType === 'TRANSIENT' || errorType === 'THROTTLING'
    const count = token.getRetryCount() + 1
    // What is thrown here is dropped: the caller meets the error of the request.
    if (!isPassing || count >= LIMITS.s3AttemptsMax || budget < 1) throw new Error('it is not sent again')
    budget--
    const baseMs = errorType === 'THROTTLING' ? LIMITS.s3ThrottledPauseMs : LIMITS.s3PauseMs
    const asked = retryAfterHint === undefined ? 0 : retryAfterHint.getTime() - Date.now()
    const pauseMs = Math.max(random() * baseMs * 2 ** (count - 1), asked)
    return tokenOf(count, Math.min(pauseMs, LIMITS.s3PauseMsMax))
  }

  return {
    acquireInitialRetryToken: async () => tokenOf(0, 0),
    refreshRetryTokenForRetry,
    recordSuccess() {
      budget = Math.min(LIMITS.s3RetriesAtOnceMax, budget + RETRIES_PER_SUCCESS)
    },
  }
}

/** So that a store of whose requests a quarter fails has them sent again, and one that is down not. */
const RETRIES_PER_SUCCESS = 0.5

function tokenOf(count: number, delayMs: number): RetryToken {
  return { getRetryCount: () => count, getRetryDelay: () => delayMs }
}
