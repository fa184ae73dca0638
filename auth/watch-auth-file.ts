import path from 'node:path'

import type { AuthKeys } from './auth-file.ts'
import { startFollowing, type AuthFileSource } from './follow-auth-file.ts'
import { oneAtATime } from '../src/one-at-a-time.ts'
import { watchDirectory } from './watch-directory.ts'

/** The auth file as it is now. */
export interface AuthFile extends AsyncDisposable {
  /** The keys that count at this moment, all of one file: never some of the old and some of the new. */
  current(): AuthKeys
  /** Look at the file now. What is wrong with it is told as an event. */
  reload(): Promise<void>
}

export interface OpenAuthFileOptions extends AuthFileSource {
  /** The file is looked at this often, whether or not the system tells of changes. */
  readonly pollMs?: number
}

/**
 * Read an auth file and follow its changes: by the system's hints about its directory (editors rename, Kubernetes swaps a link) and by
 * looking every five seconds, so that a change counts within six. It does not keep the process alive.
 *
 * A file that cannot be read, has a bad line, or has no keys any more changes nothing: the keys before it stay, and the failure is told
 * once. Without a file, or with one without keys, at the start nobody may do anything.
 *
 * @throws DepotError `BAD_REQUEST` when the file is there at the start and cannot be read, or has a bad line.
 */
export async function openAuthFile({ pollMs = POLL_MS, ...source }: OpenAuthFileOptions): Promise<AuthFile> {
  const follower = await startFollowing(source)
  const check = oneAtATime(() => follower.follow())
  let hint: ReturnType<typeof setTimeout> | undefined
  const watch = watchDirectory(path.dirname(source.file), (name) => {
    if (!mayConcern(name, path.basename(source.file))) return
    hint ??= setTimeout(() => {
      hint = undefined
      void check()
    }, HINT_MS).unref()
  })
  const timer = setInterval(() => {
    watch.renew()
    void check()
  }, pollMs).unref()
  return {
    current: () => follower.current(),
    reload: check,
    async [Symbol.asyncDispose]() {
      follower.stop()
      clearInterval(timer)
      clearTimeout(hint)
      watch[Symbol.dispose]()
      await check()
    },
  }
}

const POLL_MS = 5_000
/** Changes come in bursts: an editor's temporary file, its renames. */
const HINT_MS = 50

/** Others may write in the same directory all the time. Kubernetes swaps `..data`, through which its files are links. */
function mayConcern(changed: string | undefined, name: string): boolean {
  return changed === undefined || changed === name || changed.startsWith('..')
}
