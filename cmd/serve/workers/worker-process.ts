import { fork, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { FromWorker, ToWorker, WorkerReady, WorkerStart } from './messages.ts'
import { watchDeliveries } from './deliveries.ts'
import { watchPulse, type Pulse, type PulseTimes } from './pulse.ts'
import { errorOfStart } from './start-failure.ts'

/** A process that serves, as its parent sees it. */
export interface WorkerProcess {
  readonly number: number
  /** Milliseconds of `performance.now()`. */
  readonly startedAt: number
  /** Resolves when it can serve. Rejects with what it could not start for. */
  readonly ready: Promise<WorkerReady>
  /** Everything that it said has been heard, and there is nothing more. */
  readonly silent: Promise<void>
  /** How it ended: 'with status 1', 'by SIGKILL'. */
  readonly ended: Promise<string>
  /** Whether it was killed because it did not say in time that it can serve, or did not answer any more. */
  isHung(): boolean
  /** To one that has gone, nothing is sent. */
  send(message: ToWorker): void
  give(connection: Socket): void
  kill(): void
}

/** What a worker says once it serves; 'missed': the connection that it was given never came, and will not. */
export type Said = Exclude<FromWorker, { ready: unknown } | { failed: unknown } | 'pulse'> | 'missed'

/** How long a process may be silent. */
export interface Patience {
  /** From its start until it says that it can serve. */
  readonly startMs: number
  /** When it serves. */
  readonly pulse: PulseTimes
}

const PATIENCE: Patience = {
  startMs: LIMITS.workerStartMs,
  pulse: { everyMs: LIMITS.workerPulseMs, missedMax: LIMITS.workerPulsesMissedMax },
}

/** Start a process that serves. One that hangs is killed, while it starts and later. */
export function startWorker(
  start: WorkerStart,
  hear: (said: Said, from: WorkerProcess) => void,
  patience: Patience = PATIENCE,
): WorkerProcess {
  const child = forkWorker()
  const ready = Promise.withResolvers<WorkerReady>()
  // It may reject before anybody waits for it.
  ready.promise.catch(() => {})
  let isHung = false
  const ended = endOf(child).then((how) => (isHung ? `${how}, because it did not answer any more` : how))
  void ended.then((how) => ready.reject(new Error(`worker ${start.number} ended ${how} before it could serve`)))
  const worker: WorkerProcess = {
    number: start.number,
    startedAt: performance.now(),
    ready: ready.promise,
    // Not 'disconnect': it never comes when the process dies with a connection on its way.
    silent: new Promise((resolve) => child.once('close', () => resolve())),
    ended,
    isHung: () => isHung,
    send(message) {
      if (child.connected) child.send(message, () => {})
    },
    give(connection) {
      if (!child.connected) return
      child.send('connection' satisfies ToWorker, connection, { keepOpen: true }, () => {})
      deliveries.sent()
    },
    kill: () => void child.kill('SIGKILL'),
  }
  function ask(): void {
    deliveries.asked()
    worker.send('pulse')
  }
  function killHung(why?: DepotError): void {
    if (why !== undefined) ready.reject(why)
    isHung = true
    worker.kill()
  }
  const deliveries = watchDeliveries(ask, () => hear('missed', worker))
  const pulse = watchPatiently(worker, { ask, killHung, patience })
  child.on('message', (message) => {
    const said = message as FromWorker
    if (said === 'taken') deliveries.taken()
    if (said === 'pulse') {
      pulse.answered()
      deliveries.answered()
    } else if (typeof said === 'object' && 'ready' in said) ready.resolve(said.ready)
    else if (typeof said === 'object' && 'failed' in said) ready.reject(errorOfStart(said.failed))
    else hear(said, worker)
  })
  worker.send({ start })
  return worker
}
interface Watched {
  ask(): void
  /** @param why it cannot start, of one that does not serve yet */
  killHung(why?: DepotError): void
  readonly patience: Patience
}

/** Have a worker killed that is silent for too long: from its start until it serves, and from then on whenever it is asked. */
function watchPatiently(
  { number, ready, ended }: Pick<WorkerProcess, 'number' | 'ready' | 'ended'>,
  { ask, killHung, patience: { startMs, pulse: times } }: Watched,
): Pick<Pulse, 'answered'> {
  let pulse: Pulse | undefined
  const late = setTimeout(() => killHung(startedTooLong(number, startMs)), startMs)
  // Its pulse not before: to load and open everything may take long on a busy machine.
  void ready.then(() => (pulse = watchPulse(ask, () => killHung(), times))).catch(() => {})
  void ready.catch(() => {}).finally(() => clearTimeout(late))
  void ended.then(() => pulse?.[Symbol.dispose]())
  return { answered: () => pulse?.answered() }
}

function forkWorker(): ChildProcess {
  // Beside the folder of this file, as source or built.
  const entry = fileURLToPath(new URL(`../serve-worker${extname(import.meta.url)}`, import.meta.url))
  const child = fork(entry, [], { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  // That something could not be sent shows in the end of the process, and nowhere else.
  child.on('error', () => {})
  return child
}

function startedTooLong(number: number, startMs: number): DepotError {
  return new DepotError(
    'STORAGE_DOWN',
    `worker ${number} could not serve within ${startMs / 1000} s of its start: is the disk or the database slow, or are there too many --workers for this machine?`,
  )
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('exit', (status, signal) => resolve(signal === null ? `with status ${status}` : `by ${signal}`))
    // It could not even be started.
    child.once('error', (error) => {
      if (child.pid === undefined) resolve(`(${error.message})`)
    })
  })
}
