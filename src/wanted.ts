import { z } from 'zod'

import type { Depot } from './depot.ts'
import { breath } from './breath.ts'
import type { AuditEntry, Cache } from './kv-store.ts'
import { LIMITS } from './limits.ts'
import { redacted } from './redact.ts'

/** What clients asked for in vain. */
export interface WantedNotes {
  /** Note it, soon; at once where it has been noted a moment ago or cannot be noted, for nobody waits for this. */
  note(cache: Cache, ecosystem: string, name: string): void
  /** Write what is not written yet. */
  flush(): Promise<void>
}

/** Which of some names, as they were noted, are to be had by now. */
export type Held = (depot: Depot, cache: Cache, names: readonly string[]) => Promise<ReadonlySet<string>>

/** The kind of the records of an ecosystem's notes; their key is the name. */
export function wantedKind(ecosystem: string): string {
  return `wanted-${ecosystem}`
}

interface Pending {
  readonly cache: Cache
  readonly ecosystem: string
  readonly names: Set<string>
}

/**
 * Gathers names and writes them some moments later: a read never writes. At most `LIMITS.wantedNamesMax` of an ecosystem are kept, each
 * once; what has come meanwhile makes room for others, and then the oldest. Which are lost in a crash will be asked for again.
 *
 * @param heldBy tells for an ecosystem what has come
 * @param nowMs a clock that does not jump
 */
export function createWantedNotes(
  depot: Depot,
  heldBy: (ecosystem: string) => Held | undefined,
  nowMs: () => number = () => performance.now(),
): WantedNotes {
  const pending = new Map<string, Pending>()
  // Spares us to look up again and again what many ask for. Not for long: others forget names, and there may be room again.
  const known = new Set<string>()
  let knownSinceMs = nowMs()
  let writing = Promise.resolve()
  let timer: NodeJS.Timeout | undefined

  async function write({ cache, ecosystem, names }: Pending): Promise<void> {
    const kind = wantedKind(ecosystem)
    const there = new Set<string>()
    const asked = [...names]
    for (let at = 0; at < asked.length; at += LIMITS.lookupKeysMax) {
      const page = asked.slice(at, at + LIMITS.lookupKeysMax)
      for (const name of await depot.kv.present(cache.id, kind, page)) there.add(name)
    }
    const fresh = asked.filter((name) => !there.has(name))
    if (fresh.length === 0) return
    await makeRoom(depot, cache, ecosystem, { held: heldBy(ecosystem), count: fresh.length })
    const value = JSON.stringify({ at: Date.now() })
    for (let at = 0; at < fresh.length; at += LIMITS.lookupKeysMax) {
      const page = fresh.slice(at, at + LIMITS.lookupKeysMax)
      await depot.commit(cache, { puts: page.map((key) => ({ kind, key, value })) })
    }
  }

  /** What cannot be written now will be asked for again, and is noted then. */
  async function writeOrDrop(some: Pending): Promise<void> {
    try {
      await write(some)
    } catch {
      for (const name of some.names) known.delete(idOf(some, name))
    }
  }

  function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const batch = [...pending.values()]
    pending.clear()
    writing = writing.then(() => Promise.all(batch.map(writeOrDrop))).then(noop)
    return writing
  }

  return {
    note(cache, ecosystem, name) {
      // People put credentials into addresses.
      if (redacted(name) !== name) return
      const id = idOf({ cache, ecosystem }, name)
      if (known.size >= LIMITS.wantedNamesMax || nowMs() - knownSinceMs >= LIMITS.wantedKnownMs) {
        known.clear()
        knownSinceMs = nowMs()
      }
      if (known.has(id)) return
      const under = idOf({ cache, ecosystem }, '')
      const some = pending.get(under) ?? { cache, ecosystem, names: new Set() }
      if (some.names.size >= LIMITS.wantedNamesMax) return
      known.add(id)
      some.names.add(name)
      pending.set(under, some)
      timer ??= setTimeout(() => void flush(), LIMITS.wantedWrittenMs).unref()
    },
    flush,
  }
}

function noop(): void {}

function idOf({ cache, ecosystem }: Omit<Pending, 'names'>, name: string): string {
  return `${cache.id} ${ecosystem} ${name}`
}

/** When so many more are too many, what has come goes, and then the oldest: what is still wanted will be asked for again. */
async function makeRoom(
  depot: Depot,
  cache: Cache,
  ecosystem: string,
  { held, count }: { readonly held: Held | undefined; readonly count: number },
): Promise<void> {
  const notes = await notesOf(depot, cache, ecosystem)
  const excess = notes.length + count - LIMITS.wantedNamesMax
  if (excess <= 0) return
  const names = notes.map(({ name }) => name)
  const come = (await held?.(depot, cache, names)) ?? new Set<string>()
  const left = notes.filter(({ name }) => !come.has(name)).toSorted((one, other) => one.at - other.at)
  const oldest = left.slice(0, Math.max(0, excess - come.size)).map(({ name }) => name)
  await forgetWanted(depot, cache, ecosystem, [...come, ...oldest])
}

const noted = z.object({ at: z.number() })

async function notesOf(
  depot: Depot,
  cache: Cache,
  ecosystem: string,
): Promise<readonly { readonly name: string; readonly at: number }[]> {
  const notes: { name: string; at: number }[] = []
  for await (const { key, value } of depot.all(cache, wantedKind(ecosystem)))
    notes.push({ name: key, at: noted.parse(JSON.parse(value)).at })
  return notes
}

/** All names that are noted, in the order of their bytes. */
export async function wantedNames(depot: Depot, cache: Cache, ecosystem: string): Promise<readonly string[]> {
  return (await notesOf(depot, cache, ecosystem)).map(({ name }) => name)
}

/** No longer keep some names; `audit` goes with the first of them. */
export async function forgetWanted(
  depot: Depot,
  cache: Cache,
  ecosystem: string,
  names: readonly string[],
  audit: readonly AuditEntry[] = [],
): Promise<void> {
  for (let at = 0; at < names.length; at += LIMITS.lookupKeysMax) {
    await breath()
    const deletes = names.slice(at, at + LIMITS.lookupKeysMax).map((key) => ({ kind: wantedKind(ecosystem), key }))
    await depot.commit(cache, { deletes, audit: at === 0 ? audit : [] })
  }
}

/** For names that are the keys of records of one kind. */
export function heldAs(kind: string): Held {
  return async (depot, cache, names) => {
    const held = new Set<string>()
    for (let at = 0; at < names.length; at += LIMITS.lookupKeysMax) {
      await breath()
      for (const name of await depot.kv.present(cache.id, kind, names.slice(at, at + LIMITS.lookupKeysMax)))
        held.add(name)
    }
    return held
  }
}
