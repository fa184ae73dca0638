import { parseAuthFile, type AuthKeys } from './auth-file.ts'
import type { TakenContent } from './follow-auth-file.ts'
import type { AuthFile } from './watch-auth-file.ts'

/** An auth file that another process of this server follows. */
export interface ToldAuthFile extends AuthFile {
  /** Let this content count: it was found good there. */
  take(content: TakenContent): void
}

/** @throws DepotError `BAD_REQUEST` never for what a follower took: it parsed the same text */
export function toldAuthFile(first: TakenContent, ecosystems: readonly string[]): ToldAuthFile {
  let keys = keysOf(first, 1)

  function keysOf({ text, hasReadKeys }: TakenContent, generation: number): AuthKeys {
    return { ...parseAuthFile(text, { ecosystems, now: Date.now() }), hasReadKeys, generation }
  }

  return {
    current: () => keys,
    take(content) {
      keys = keysOf(content, keys.generation + 1)
    },
    // Whoever follows the file looks, and tells.
    reload: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}
