import { Socket } from 'node:net'

import { toldAuthFile, type ToldAuthFile } from '../../../auth/told-auth-file.ts'
import { ECOSYSTEMS } from '../../../protocols/index.ts'
import { createLog } from '../../../src/node/log.ts'
import { putPoolBehindEventLoop } from '../../../src/node/pool-priority.ts'
import { serveHanded, type HandedServer } from '../../../src/node/server.ts'
import { openApp, type OpenedApp } from '../open-app.ts'
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts'
import { parentSiblings, type ParentSiblings } from './parent-siblings.ts'
import { parentWriter, type ParentWriter } from './parent-writer.ts'
import { startFailureOf } from './start-failure.ts'

/** A process that serves, from within. */
export interface Worker {
  /** From the start on: who opens what it needs may commit, and what counts may change meanwhile. */
  hear(message: Exclude<ToWorker, 'pulse'>, connection: unknown): void
  /** The parent has gone. */
  orphaned(): void
}

/** Sends to the parent; `told` is called when it has left, or cannot. */
type Tell = (message: FromWorker, told?: () => void) => void

/**
 * Begin to open everything; the parent is told when this process can serve, or why it cannot.
 *
 * @param exit ends this process
 */
export function startWorker(start: WorkerStart, tell: Tell, exit: (status: number) => void): Worker {
  const common: Common = {
    siblings: parentSiblings(tell),
    writer: start.writes ? parentWriter((batch) => tell({ writes: batch })) : undefined,
    authFile: start.auth === undefined ? undefined : toldAuthFile(start.auth, ECOSYSTEMS),
  }
  let serving: Serving | undefined
  openServing(start, common, exit).then(
    (opened) => {
      serving = opened
      tell({ ready: opened.ready })
    },
    (error: unknown) => tell({ failed: startFailureOf(error) }, () => exit(1)),
  )
  return {
    hear(message, connection) {
      if (typeof message === 'object') hearNews(message, common, tell)
      else if (message === 'connection') {
        tell('taken')
        // A client that has gone meanwhile leaves nothing.
        if (connection instanceof Socket) serving?.server.take(connection)
      } else if (serving !== undefined) serving[message]()
      // One that does not serve has nothing to finish. That the server is going, it is told again when it does.
      else if (message !== 'unready') exit(0)
    },
    orphaned() {
      common.writer?.lost()
      common.siblings.lost()
      if (serving === undefined) exit(1)
      else serving.drain()
    },
  }
}

/** What it has of its parent. */
interface Common {
  readonly siblings: ParentSiblings
  readonly writer: ParentWriter | undefined
  readonly authFile: ToldAuthFile | undefined
}

function hearNews(message: Exclude<ToWorker, string>, { siblings, writer, authFile }: Common, tell: Tell): void {
  if ('outcomes' in message) writer?.done(message.outcomes)
  else if ('auth' in message) authFile?.take(message.auth)
  else if ('heard' in message) siblings.heard(message.heard)
  else if ('news' in message) {
    siblings.spread(message.news)
    tell({ heard: message.id })
  }
}

type Order = Extract<ToWorker, 'retire' | 'unready' | 'drain' | 'abort'>

/** A worker that serves, and the ways in which it is told to end. */
interface Serving extends Readonly<Record<Order, () => void>> {
  readonly server: Pick<HandedServer, 'take'>
  readonly ready: Extract<FromWorker, { ready: unknown }>['ready']
}

/** @throws what `boot` throws */
async function openServing(
  { config, number }: WorkerStart,
  common: Common,
  exit: (status: number) => void,
): Promise<Serving> {
  const log = createLog({ verbose: config.verbose, worker: number })
  process.once('exit', () => log.flush())
  await putPoolBehindEventLoop()
  const app = await openApp({
    config,
    events: log.events,
    warn: (text) => void process.stderr.write(`depot: ${text}\n`),
    common,
  })
  const server = serveHanded({ ...config, app: app.app, accessLog: log.access })
  // What is done beside answering is done in one place.
  const tending = number === 1 ? app.tend() : undefined

  async function end(): Promise<void> {
    // Another server may go on with the work beside answering, however long the answers take.
    await Promise.all([tending?.[Symbol.asyncDispose](), server.close()])
    await app[Symbol.asyncDispose]()
    await log.finish()
    exit(0)
  }

  return {
    server,
    ready: { publicKeys: app.publicKeys, readsAreOpen: app.auth.readsAreOpen() },
    ...endings({ app, server, end }),
  }
}

interface Ending {
  readonly app: Pick<OpenedApp, 'turnUnready'>
  readonly server: Pick<HandedServer, 'retire' | 'abort'>
  /** Let running requests finish, close everything and end this process. */
  end(): Promise<void>
}

function endings({ app, server, end }: Ending): Readonly<Record<Order, () => void>> {
  let ending: Promise<void> | undefined
  const endOnce = (): Promise<void> => (ending ??= end())

  function drain(): void {
    app.turnUnready()
    // Also one that retires: the connections that it waits for get no further request anyway.
    void endOnce()
  }
  return {
    unready() {
      app.turnUnready()
      void server.retire()
    },
    retire: () => void server.retire().then(endOnce),
    drain,
    abort() {
      server.abort()
      drain()
    },
  }
}
