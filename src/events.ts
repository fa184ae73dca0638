import type { BlobRow } from './kv-store.ts'

/** What happens in a depot that an operator wants to see. One function an event, for all who log or count it. */
export interface Events {
  blobStored(row: BlobRow): void
  /** A blob was taken out of service because storage does not hold what its row says. */
  blobQuarantined(row: Pick<BlobRow, 'domain' | 'digest'>, reason: string): void
  /** A store gave other bytes than it has: nothing is known against the blob. */
  blobMisread(row: Pick<BlobRow, 'domain' | 'digest'>, reason: string): void
  recordWritten(ecosystem: string, name: string): void
  /** An answer that had begun was cut, because what it was made from is not what it must be. */
  answerCut(requestId: string, code: string, message: string): void
  requestRefused(requestId: string, status: number, code: string, message: string): void
  /** Credentials that were shown are not good, and why; never the credentials themselves. */
  credentialsRefused(refusal: CredentialsRefusal): void
  /** Another content of the auth file counts from now on, or the one before a failure again. */
  authReloaded(keys: number): void
  /** A content of the auth file was not taken; the one before it still counts. */
  authReloadFailed(reason: string): void
  /** Another content of the file of advisories counts from now on; packages that have any. */
  advisoriesLoaded(packages: number): void
  /** A content of it was not taken; the one before it still counts. */
  advisoriesRefused(reason: string): void
  /** A store met an outage, or has no room left: new blobs go to others. */
  storeFailed(store: string, code: string, message: string): void
  /** It takes new blobs again. */
  storeRecovered(store: string): void
  /** The database refused a change because its disk is full; reads go on. Told once, until it has recovered. */
  databaseFull(message: string): void
  /** It takes changes again. */
  databaseRecovered(): void
  /** What is done beside answering could not go on, and is tried again in so many milliseconds. */
  tendingFailed(protocol: string, code: string, message: string, pauseMs: number): void
  /** A process that serves ended by itself, how it did, and in how many milliseconds another takes its place. */
  workerEnded(worker: number, how: string, pauseMs: number): void
  /** A process that serves got no connection, because it may not open more files. */
  connectionMissed(worker: number): void
  /** A bug: something was thrown that nobody expected. */
  unexpectedError(requestId: string, error: unknown): void
}

/** What the log says of bad credentials. */
export interface CredentialsRefusal {
  readonly reason: string
  readonly address: string
  /** Fingerprint of the key that a login names, the id that a stored token names; empty when there is none. */
  readonly key: string
  readonly jti: string
}

/** For tests and tools that have nobody to tell. */
export const SILENT_EVENTS: Events = {
  blobStored: () => {},
  blobQuarantined: () => {},
  blobMisread: () => {},
  recordWritten: () => {},
  answerCut: () => {},
  requestRefused: () => {},
  credentialsRefused: () => {},
  authReloaded: () => {},
  authReloadFailed: () => {},
  advisoriesLoaded: () => {},
  advisoriesRefused: () => {},
  storeFailed: () => {},
  storeRecovered: () => {},
  databaseFull: () => {},
  databaseRecovered: () => {},
  tendingFailed: () => {},
  workerEnded: () => {},
  connectionMissed: () => {},
  unexpectedError: () => {},
}
