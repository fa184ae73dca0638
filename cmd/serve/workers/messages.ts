import type { TakenContent } from '../../../auth/follow-auth-file.ts'
import type { ErrorCode } from '../../../src/errors.ts'
import type { News } from '../../../src/siblings.ts'
import type { Outcome } from '../../../storage/kv/sqlite/batch-writer.ts'
import type { Write } from '../../../storage/kv/sqlite/commit.ts'
import type { ServeConfig } from '../../settings/config.ts'

/** What a worker begins with. */
export interface WorkerStart {
  readonly config: ServeConfig
  /** 1 is the first. */
  readonly number: number
  /** Whether the parent commits for it. */
  readonly writes: boolean
  /** What counts of the auth file, when there is one. */
  readonly auth: TakenContent | undefined
}

/** What a worker knows when it can serve. */
export interface WorkerReady {
  readonly publicKeys: readonly string[]
  readonly readsAreOpen: boolean
}

/** Why it cannot. */
export interface StartFailure {
  readonly kind: 'usage' | ErrorCode | 'bug'
  readonly message: string
  /** What an operator is told besides; the stack of a bug. */
  readonly detail: string
}

/** From the parent. Between two processes of one program: they are of one version, and nobody else can write there. */
export type ToWorker =
  | { readonly start: WorkerStart }
  /** Comes with a socket. */
  | 'connection'
  | { readonly outcomes: readonly Outcome[] }
  | { readonly auth: TakenContent }
  | { readonly news: News; readonly id: number }
  /** All others have heard what was told under this number. */
  | { readonly heard: number }
  /** To be answered with the same. */
  | 'pulse'
  /** Another one takes its place. */
  | 'retire'
  /** The server will stop: say so, and let every answer be the last one of its connection. */
  | 'unready'
  /** The server stops. */
  | 'drain'
  | 'abort'

/** From a worker. */
export type FromWorker =
  | { readonly ready: WorkerReady }
  | { readonly failed: StartFailure }
  /** It has the connection that it was given. */
  | 'taken'
  | 'pulse'
  | { readonly writes: readonly Write[] }
  | { readonly news: News; readonly id: number }
  | { readonly heard: number }
