import type { IncomingMessage, ServerResponse } from 'node:http'

import { getRequestListener } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'

import { after } from '../after.ts'
import { admit, type Admission, type App } from '../app.ts'
import { DepotError } from '../errors.ts'
import type { Events } from '../events.ts'
import { sourceOf } from '../http/respond.ts'
import type { MaybePromise } from '../kv-store.ts'
import { accessLine, type AccessLog } from './access-log.ts'
import { hotAnswer, sendHot, type Asked, type HotAnswer } from './hot.ts'
import { incomingBody, rawRequestOf } from './incoming.ts'
import { lingerAfterRefusal } from './linger.ts'
import type { Listener } from './one-at-a-time.ts'
import { sendSource } from './send.ts'

/** Takes up requests: what one row answers is answered here, everything else by its handler. */
export function listener(
  app: App,
  addressOf: (incoming: IncomingMessage) => string,
  accessLog: AccessLog | undefined,
): Listener {
  const handlers = slowHandler(app)
  let count = 0
  const prefix = Math.random().toString(36).slice(2, 8)

  return (incoming, outgoing, expectsContinue) => {
    const startedAt = performance.now()
    const requestId = `${prefix}-${(++count).toString(36)}`
    const request = rawRequestOf(incoming, addressOf(incoming))
    if (accessLog !== undefined) {
      const { socket } = incoming
      const sentBefore = socket.bytesWritten
      outgoing.on('close', () => {
        const durationMs = performance.now() - startedAt
        const sentBytes = socket.bytesWritten - sentBefore
        const { address } = request
        accessLog.write(
          accessLine({ worker: accessLog.worker, requestId, incoming, outgoing, durationMs, sentBytes, address }),
        )
      })
    }
    const asked = { requestId, request, expectsContinue }
    const answer = (admission: Admission): MaybePromise<void> =>
      after(hotAnswer(app, asked, admission), (ready) =>
        ready === undefined ? handlers(incoming, outgoing, { ...asked, admission }) : send(asked, outgoing, ready),
      )
    const fail = (error: unknown): void => {
      app.depot.events.unexpectedError(requestId, error)
      outgoing.destroy()
    }
    try {
      const answered = after(admit(app.gate, request), answer)
      if (answered instanceof Promise) answered.catch(fail)
    } catch (error) {
      fail(error)
    }
  }

  function send({ requestId, request }: Asked, outgoing: ServerResponse, ready: HotAnswer): MaybePromise<void> {
    const sent = sendHot(outgoing, ready, request.method)
    // The status is sent and the connection cut: there is no answer left to give, only somebody to tell.
    if (sent instanceof Promise) return sent.catch((error: unknown) => tellOfCut(app.depot.events, requestId, error))
  }
}

interface Context extends Asked {
  readonly admission: Admission
}

function tellOfCut(events: Events, requestId: string, error: unknown): void {
  if (error instanceof DepotError) events.answerCut(requestId, error.code, error.message)
  else events.unexpectedError(requestId, error)
}

function slowHandler(app: App) {
  const contexts = new WeakMap<IncomingMessage, Context>()
  const listen = getRequestListener(
    async (request, env) => {
      const incoming = env.incoming as IncomingMessage
      const outgoing = env.outgoing as ServerResponse
      const context = contexts.get(incoming)
      if (context === undefined) throw new Error('a request without its context')
      const { requestId, expectsContinue, request: raw, admission } = context
      const body = incomingBody(incoming, outgoing, expectsContinue)
      const response = await app.fetch(request, {
        requestId,
        raw,
        admission,
        body: body.read,
        sendsSources: true,
      })
      // The listener would write the standard phrase.
      if (response.statusText !== '') outgoing.statusMessage = response.statusText
      if (!incoming.complete) lingerAfterRefusal(incoming, outgoing, body.waitsForContinue)
      const promised = sourceOf(response)
      if (promised === undefined) return response
      const headers = [...response.headers].flat()
      await sendSource(outgoing, { status: response.status, headers }, promised.source, promised.range).catch(
        // The status is sent and the connection cut: there is no answer left to give, only somebody to tell.
        (error: unknown) => tellOfCut(app.depot.events, requestId, error),
      )
      return RESPONSE_ALREADY_SENT
    },
    { autoCleanupIncoming: false },
  )
  return async (incoming: IncomingMessage, outgoing: ServerResponse, context: Context): Promise<void> => {
    contexts.set(incoming, context)
    await listen(incoming, outgoing)
  }
}
