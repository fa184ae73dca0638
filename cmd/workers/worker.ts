import { Socket } from 'node:net'

import { toldAuthFile } from '../../auth/told-auth-file.ts'
import { ECOSYSTEMS } from '../../protocols/index.ts'
import { createLog } from '../../src/node/log.ts'
import { serveHanded } from '../../src/node/server.ts'
import { openApp } from '../boot.ts'
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts'
import { parentSiblings } from './parent-siblings.ts'
import { parentWriter } from './parent-writer.ts'

/** A process that serves, from within. */
export interface Worker {
  hear(message: Exclude<ToWorker, 'pulse'>, connection: unknown): void
  /** The parent has gone. */
  orphaned(): void
}

/**
 * Open everything and say that it can serve.
 *
 * @param tell sends to the parent
 * @param exit ends this process
 * @throws what `boot` throws
 */
export async function startWorker(
  { config, number, writes, auth }: WorkerStart,
  tell: (message: FromWorker) => void,
  exit: () => void,
): Promise<Worker> {
  const log = createLog({ verbose: config.verbose, worker: number })
  process.once('exit', () => log.flush())
  const siblings = parentSiblings(tell)
  const writer = writes ? parentWriter((batch) => tell({ writes: batch })) : undefined
  const authFile = auth === undefined ? undefined : toldAuthFile(auth, ECOSYSTEMS)
  const app = await openApp({
    config,
    events: log.events,
    warn: (text) => void process.stderr.write(`depot: ${text}\n`),
    common: { siblings, writer, authFile },
  })
  const server = serveHanded({ ...config, app: app.app, accessLog: log.access })
  // What is done beside answering is done in one place.
  const tending = number === 1 ? app.tend() : undefined
  let ending: Promise<void> | undefined

  async function end(): Promise<void> {
    await tending?.[Symbol.asyncDispose]()
    await server.close()
    await app[Symbol.asyncDispose]()
    await log.finish()
    exit()
  }

  function drain(): void {
    app.turnUnready()
    ending ??= end()
  }

  function hear(message: Exclude<ToWorker, 'pulse'>, connection: unknown): void {
    if (message === 'connection') {
      tell('taken')
      // A client that has gone meanwhile leaves nothing.
      if (connection instanceof Socket) server.take(connection)
    } else if (message === 'retire') ending ??= server.retire().then(end)
    else if (message === 'drain') drain()
    else if (message === 'abort') {
      server.abort()
      drain()
    } else if ('outcomes' in message) writer?.done(message.outcomes)
    else if ('auth' in message) authFile?.take(message.auth)
    else if ('news' in message) {
      siblings.spread(message.news)
      tell({ heard: message.id })
    } else if ('heard' in message) siblings.heard(message.heard)
  }

  tell({ ready: { publicKeys: app.publicKeys, readsAreOpen: app.auth.readsAreOpen() } })
  return {
    hear,
    orphaned() {
      writer?.lost()
      siblings.lost()
      drain()
    },
  }
}
