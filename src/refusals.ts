import { dateHeader } from './clock.ts'
import type { Depot } from './depot.ts'
import { DepotError, hasCode } from './errors.ts'
import type { Admitted, RawRequest } from './gate.ts'
import { errorAnswer, type ErrorAnswer } from './http/error-response.ts'
import { parseTarget } from './http/path.ts'
import type { Match, Router } from './http/router.ts'
import { LIMITS } from './limits.ts'
import type { Protocol } from './protocol.ts'
import type { WantedNotes } from './wanted.ts'

/** A request that is answered with a failure. */
export interface Failed {
  readonly requestId: string
  readonly raw: RawRequest
  /** Undefined when the gate did not let it in. */
  readonly admitted: Admitted | undefined
}

export interface RefusalOptions {
  readonly depot: Pick<Depot, 'kv' | 'events'>
  readonly router: Router
  readonly wanted: WantedNotes
}

/**
 * The one place where failures become answers, for the hot path and for every handler: each is told to the events, and what was not
 * found is noted as wanted where somebody could bring it.
 */
export function createRefusals({
  depot,
  router,
  wanted,
}: RefusalOptions): (error: unknown, failed: Failed) => ErrorAnswer {
  return (error, { requestId, raw, admitted }) => {
    if (error instanceof DepotError) depot.events.requestRefused(requestId, error.status, error.code, error.message)
    else depot.events.unexpectedError(requestId, error)
    if (hasCode(error, 'NOT_FOUND') && admitted !== undefined) noteWanted(wanted, admitted.match)
    const protocol = admitted?.match.mount.protocol ?? protocolOf(router, raw)
    const answer = errorAnswer(told(error, raw.method), protocol, raw.target)
    // Whose login is refused looks here whether their clock is wrong.
    return hasCode(error, 'UNAUTHENTICATED')
      ? { ...answer, headers: { ...answer.headers, ...dateHeader(depot) } }
      : answer
  }
}

/** What is missing and what is not for this caller's eyes must look alike, so a read says no more than that. */
function told(error: unknown, method: string): unknown {
  const reads = method === 'GET' || method === 'HEAD'
  return reads && hasCode(error, 'NOT_FOUND') ? NOTHING_HERE : error
}

/** For a read of what is missing, whatever it is. */
export const NOTHING_HERE = new DepotError('NOT_FOUND', 'not found here, or not for you to see')

function noteWanted(wanted: WantedNotes, { mount, route, params }: Match): void {
  const name = route.wanted?.(params)
  if (name !== undefined) wanted.note(mount.cache, mount.protocol.name, name)
}

/** For the form of a refusal: that of the route which was asked for, or of the first words of a path that may not even parse. */
function protocolOf(router: Router, { method, target }: RawRequest): Protocol | undefined {
  try {
    return router.match(method, parseTarget(target).segments).mount.protocol
  } catch {
    return router.protocolAt(target.slice(1, LIMITS.urlLengthMax).split('/'))
  }
}
