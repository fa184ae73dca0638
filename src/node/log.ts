import { hostname } from 'node:os'
import { pid } from 'node:process'

import pino from 'pino'

import type { Events } from '../events.ts'
import { LIMITS } from '../limits.ts'
import { redacted } from '../redact.ts'
import type { AccessLog } from './access-log.ts'

const FLUSH_BYTES = 64 * 1024
const FLUSH_EVERY_MS = 50

export interface Log {
  readonly events: Events
  readonly access: AccessLog
  /** Write what is still held back. What is being written at this moment is lost when the process ends at once. */
  flush(): void
  /** Resolves when everything is written. */
  finish(): Promise<void>
}

export interface LogOptions {
  readonly verbose: boolean
  /** Number of this process, where several share one stderr. */
  readonly worker?: number
}

/**
 * JSON lines on stderr. Access lines are collected for 64 KiB or 50 ms; everything that happens is one function of `events`. Where several
 * processes share it, each writes whole lines in pieces so small that a pipe does not mix them.
 */
export function createLog({ verbose, worker }: LogOptions): Log {
  const pieceBytes = worker === undefined ? FLUSH_BYTES : LIMITS.pipeWriteBytesMax
  // sonic-boom refuses a buffer that is not smaller than one write; it never joins lines beyond one.
  const maxWrite = worker === undefined ? 2 * pieceBytes : pieceBytes
  const destination = pino.destination({ fd: 2, sync: false, minLength: pieceBytes - 1, maxWrite })
  // What came from outside may quote a credential: a name in a URL, an error of another library.
  const hooks = { streamWrite: redacted }
  const base = { pid, hostname: hostname(), ...(worker === undefined ? {} : { worker }) }
  const logger = pino({ level: verbose ? 'debug' : 'info', hooks, base }, destination)
  // The destination measures every line that it is given, which costs a tenth of a small answer: it gets them joined.
  let held = ''
  function handOver(): void {
    if (held === '') return
    destination.write(held)
    held = ''
  }
  const timer = setInterval(() => {
    handOver()
    destination.flush()
  }, FLUSH_EVERY_MS)
  timer.unref()
  function flush(): void {
    handOver()
    destination.flushSync()
  }
  return {
    events: eventsOf(logger),
    access: {
      worker,
      write(line) {
        if (worker !== undefined && held.length + line.length > pieceBytes) handOver()
        held += line
        if (held.length >= pieceBytes) handOver()
      },
    },
    flush,
    async finish() {
      // A failure would not be told anywhere but here.
      await new Promise<void>((resolve) => destination.flush(() => resolve()))
      flush()
    },
  }
}

function eventsOf(logger: pino.Logger): Events {
  return {
    blobStored: ({ domain, digest, sizeBytes, storedBytes }) => {
      logger.debug({ domain, digest, sizeBytes, storedBytes }, 'blob stored')
    },
    blobQuarantined: ({ domain, digest }, reason) =>
      logger.error({ domain, digest, reason }, 'blob taken out of service'),
    blobMisread: ({ domain, digest }, reason) => logger.error({ domain, digest, reason }, 'blob not served'),
    recordWritten: (ecosystem, name) => logger.info({ ecosystem, name }, 'written'),
    answerCut: (id, code, message) => logger.error({ id, code, message }, 'answer cut'),
    requestRefused: (id, status, code, message) => logger.debug({ id, status, code, message }, 'refused'),
    credentialsRefused: (refusal) => logger.info(refusal, 'credentials refused'),
    authReloaded: (keys) => logger.info({ keys }, 'auth file read again'),
    authReloadFailed: (reason) => logger.error({ reason }, 'auth file not taken'),
    advisoriesLoaded: (packages) => logger.info({ packages }, 'npm advisories read again'),
    advisoriesRefused: (reason) => logger.error({ reason }, 'npm advisories not taken'),
    storeFailed: (store, code, message) => logger.error({ store, code, reason: message }, 'store failed'),
    storeRecovered: (store) => logger.info({ store }, 'store takes blobs again'),
    databaseFull: (message) => logger.error({ reason: message }, 'database full'),
    databaseRecovered: () => logger.info('database takes changes again'),
    tendingFailed: (protocol, code, message, pauseMs) =>
      logger.error({ protocol, code, reason: message, pauseMs }, 'work beside answering failed'),
    workerEnded: (number, how, pauseMs) => logger.error({ ended: number, how, pauseMs }, 'worker ended'),
    connectionMissed: (number) =>
      logger.error(
        { missedBy: number },
        'connection dropped: the worker may not open more files, see LimitNOFILE or ulimit -n',
      ),
    unexpectedError: (id, err) => logger.error({ id, err }, 'unexpected error'),
  }
}
