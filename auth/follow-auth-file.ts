import { createHash } from 'node:crypto'

import { DepotError } from '../src/errors.ts'
import type { Events } from '../src/events.ts'
import { LIMITS } from '../src/limits.ts'
import { messageOf, systemCode } from '../src/thrown.ts'
import { parseAuthFile, type AuthFileContent, type AuthKeys } from './auth-file.ts'
import { readBounded } from './read-bounded.ts'

/** An auth file, and who hears of it. */
export interface AuthFileSource {
  readonly file: string
  /** Names that grants may use. */
  readonly ecosystems: readonly string[]
  readonly events: Pick<Events, 'authReloaded' | 'authReloadFailed'>
  /** Is told what an operator should look at. */
  readonly warn: (message: string) => void
  /** Is told of every content that counts from now on, the first one included. */
  readonly taken?: (content: TakenContent) => void
}

/** A content of an auth file that was taken, for a process that does not follow the file itself. */
export interface TakenContent {
  readonly text: string
  /** As in `AuthKeys`: also because of the contents before it. */
  readonly hasReadKeys: boolean
}

/** The keys of a file that may change, and the looks at it. Somebody else says when. */
export interface Follower {
  current(): AuthKeys
  /** Look at the file, and take what it holds if it is a change and a good one. Not to be called again before it is done. */
  follow(): Promise<void>
  /** Whatever is under way is not taken any more. */
  stop(): void
}

/** The keys of an auth file, and the rules by which another content takes their place. See `openAuthFile`. */
export async function startFollowing(source: AuthFileSource): Promise<Follower> {
  const { file, events, warn } = source
  const first = await look(file)
  let keys: AuthKeys = { ...firstContent(source, first), generation: 1 }
  let taken = first.id
  source.taken?.({ text: textOf(first), hasReadKeys: keys.hasReadKeys })
  /** What was last looked at and judged, and the failure that is told until it is over. */
  let judged = first.id
  let failure: string | undefined
  let mode = warnOfMode(source, first, undefined)
  let stopped = false

  function fail(reason: string): void {
    if (reason !== failure) events.authReloadFailed(`${file}: ${reason}; the keys before it stay`)
    failure = reason
  }

  function take(seen: Look): void {
    judged = seen.id
    const change = seen.id === taken ? undefined : judge(source, seen, keys.keys.size)
    if (typeof change === 'string') return fail(change)
    if (change !== undefined) {
      // Before the first key nobody may do anything; that is no rule of the file that would have to last.
      const hadReadKeys = keys.keys.size > 0 && keys.hasReadKeys
      const hasReadKeys = hadReadKeys || change.hasReadKeys
      keys = { ...change, hasReadKeys, generation: keys.generation + 1 }
      source.taken?.({ text: textOf(seen), hasReadKeys })
    }
    taken = seen.id
    failure = undefined
    events.authReloaded(keys.keys.size)
    for (const warning of change?.warnings ?? []) warn(`${file}: ${warning}`)
  }

  return {
    current: () => keys,
    async follow() {
      const seen = await settledLook(file, judged, () => stopped)
      if (stopped) return
      mode = warnOfMode(source, seen, mode)
      if (seen.id !== judged) take(seen)
    },
    stop() {
      stopped = true
    },
  }
}

/** A file that is being written shows another content after this time. */
const SETTLE_MS = 100
/** One that never settles is taken as it is: a removed key must go. */
const SETTLE_LOOKS = 5
const WRITABLE_BY_OTHERS = 0o022
const NO_KEYS = 'it has no keys: nobody may do anything'

/** What a look at the file showed. Two are the same when their `id` is. */
type Look = { readonly id: string } & (
  | { readonly kind: 'content'; readonly text: string; readonly mode: number }
  | { readonly kind: 'missing' | 'unreadable'; readonly reason: string }
)

function textOf(seen: Look): string {
  return seen.kind === 'content' ? seen.text : ''
}

function firstContent(source: AuthFileSource, seen: Look): AuthFileContent {
  const { file, warn } = source
  if (seen.kind === 'unreadable') throw new DepotError('BAD_REQUEST', `${file}: ${seen.reason}`)
  if (seen.kind === 'missing') warn(`${file}: ${seen.reason}: nobody may do anything`)
  const content = judge(source, seen.kind === 'missing' ? EMPTY : seen, 0)
  if (typeof content === 'string') throw new DepotError('BAD_REQUEST', `${file}: ${content}`)
  if (seen.kind === 'content') for (const warning of content.warnings) warn(`${file}: ${warning}`)
  return content
}

const EMPTY: Look = { id: '', kind: 'content', text: '', mode: 0 }

/** The content that may be taken, or why it may not. */
function judge({ ecosystems }: AuthFileSource, seen: Look, keysBefore: number): AuthFileContent | string {
  if (seen.kind !== 'content') return seen.reason
  try {
    const content = parseAuthFile(seen.text, { ecosystems, now: Date.now() })
    if (content.keys.size > 0) return content
    return keysBefore > 0 ? 'it has no keys' : { ...content, warnings: [NO_KEYS] }
  } catch (error) {
    return messageOf(error)
  }
}

/** Look until two looks agree, so that a file is not taken while it is being written. What is known already needs no second look. */
async function settledLook(file: string, known: string, isStopped: () => boolean): Promise<Look> {
  let seen = await look(file)
  for (let looks = 1; looks < SETTLE_LOOKS && seen.id !== known && !isStopped(); looks++) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    const again = await look(file)
    if (again.id === seen.id) return again
    seen = again
  }
  return seen
}

/** The content itself is compared: times and sizes stay the same over quick changes, and differ over none. */
async function look(file: string): Promise<Look> {
  try {
    const { bytes, mode } = await readBounded(file, LIMITS.authFileBytesMax)
    const id = createHash('sha256').update(bytes).digest('base64')
    return { id, kind: 'content', text: bytes.toString('utf8'), mode }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { id: 'missing', kind: 'missing', reason: 'it is missing' }
    const reason = `it cannot be read: ${systemCode(error) ?? messageOf(error)}`
    return { id: reason, kind: 'unreadable', reason }
  }
}

/** @returns the mode that the next look is compared with */
function warnOfMode({ file, warn }: AuthFileSource, seen: Look, before: number | undefined): number | undefined {
  if (seen.kind !== 'content') return before
  if (seen.mode !== before && (seen.mode & WRITABLE_BY_OTHERS) !== 0)
    warn(
      `${file}: others may write to it (mode ${seen.mode.toString(8)}), and so give themselves any right: chmod go-w`,
    )
  return seen.mode
}
