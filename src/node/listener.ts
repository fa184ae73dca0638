import type { IncomingMessage, ServerResponse } from 'node:http'

import { getRequestListener } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'

import { after } from '../after.ts'
import { admit, type Admission, type App } from '../app.ts'
import type { ByteRange } from '../blobs/blob-store.ts'
import { DepotError } from '../errors.ts'
import { sourceOf } from '../http/respond.ts'
import type { MaybePromise } from '../kv-store.ts'
import type { Source } from '../source.ts'
import { accessLine, type AccessLog } from './access-log.ts'
import { hotAnswer, refusal, sendHot, type Asked, type HotAnswer } from './hot.ts'
import { incomingBody, rawRequestOf } from './incoming.ts'
import { lingerAfterRefusal } from './linger.ts'
import type { Listener } from './one-at-a-time.ts'
import { sendSource, type Head } from './send.ts'
import { sentTogether } from './sent-together.ts'

/** Takes up requests: what one row answers is answered here, everything else by its handler. */
export function listener(
  app: App,
  addressOf: (incoming: IncomingMessage) => string,
  accessLog: AccessLog | undefined,
): Listener {
  const handle = slowHandler(app)
  const send = hotSender(app)
  let count = 0
  const prefix = Math.random().toString(36).slice(2, 8)

  return (incoming, outgoing, expectsContinue) => {
    const requestId = `${prefix}-${(++count).toString(36)}`
    const request = rawRequestOf(incoming, addressOf(incoming))
    const asked = { requestId, request, expectsContinue }
    if (accessLog !== undefined) logAtEnd(accessLog, asked, incoming, outgoing)
    const fail = (error: unknown): void => {
      app.depot.events.unexpectedError(requestId, error)
      outgoing.destroy()
    }
    const answer = (admission: Admission): MaybePromise<void> =>
      after(hotAnswer(app, asked, admission), (ready) =>
        ready === undefined
          ? handle(incoming, outgoing, { ...asked, admission })
          : send({ ...asked, admission }, outgoing, ready, fail),
      )
    try {
      const answered = after(admit(app.gate, request), answer)
      if (answered instanceof Promise) answered.catch(fail)
    } catch (error) {
      fail(error)
    }
  }
}

/** Have the line of an exchange written when it is over, however it ends. */
function logAtEnd(log: AccessLog, { requestId, request }: Asked, incoming: IncomingMessage, outgoing: ServerResponse) {
  const startedAt = performance.now()
  const { socket } = incoming
  const sentBefore = socket.bytesWritten
  outgoing.on('close', () => {
    const durationMs = performance.now() - startedAt
    const sentBytes = socket.bytesWritten - sentBefore
    const { worker } = log
    log.write(accessLine({ worker, requestId, incoming, outgoing, durationMs, sentBytes, address: request.address }))
  })
}

/** A request that the gate has looked at. */
interface Context extends Asked {
  readonly admission: Admission
}

type SendAnswer = (
  context: Context,
  outgoing: ServerResponse,
  ready: HotAnswer,
  fail: (error: unknown) => void,
) => MaybePromise<void>

/** Sends what is ready: at the end of the turn, or, of what has a source, as fast as its client takes it. */
function hotSender(app: App): SendAnswer {
  const sendLater = sentTogether()
  return (context, outgoing, ready, fail) => {
    const { source } = ready
    if (source !== undefined) return sendBytes(app, context, outgoing, ready, { source, range: wholeOf(source) })
    sendLater(() => {
      try {
        sendHot(outgoing, ready, context.request.method)
      } catch (error) {
        fail(error)
      }
    }, ready.body.length)
    return undefined
  }
}

const wholeOf = ({ sizeBytes }: Source): ByteRange => ({ start: 0, end: sizeBytes })

/** Send the bytes of an answer, or the refusal when storage is down before the first of them. */
async function sendBytes(
  app: App,
  context: Context,
  outgoing: ServerResponse,
  head: Head,
  { source, range }: { readonly source: Source; readonly range: ByteRange },
): Promise<void> {
  const { requestId, request, admission } = context
  try {
    await sendSource(outgoing, head, source, range)
  } catch (error) {
    if (outgoing.destroyed) {
      // The status is sent and the connection cut: there is no answer left to give, only somebody to tell.
      if (error instanceof DepotError) app.depot.events.answerCut(requestId, error.code, error.message)
      else app.depot.events.unexpectedError(requestId, error)
      return
    }
    const admitted = 'admitted' in admission ? admission.admitted : undefined
    sendHot(outgoing, refusal(app, context, error, admitted), request.method)
  }
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
      await sendBytes(app, context, outgoing, { status: response.status, headers }, promised)
      return RESPONSE_ALREADY_SENT
    },
    { autoCleanupIncoming: false },
  )
  return async (incoming: IncomingMessage, outgoing: ServerResponse, context: Context): Promise<void> => {
    contexts.set(incoming, context)
    await listen(incoming, outgoing)
  }
}
