import { z } from 'zod'

import { askDepot } from '../../../src/client/ask-depot.ts'
import type { Transfer } from '../../../src/client/transfer.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { PathFacts } from '../closure/path-source.ts'
import { nix32OfHex } from '../nix32.ts'
import { hashOf } from '../store-path.ts'

/** What a depot has of some paths. */
export interface Held {
  /** Those that it has not. */
  readonly missing: ReadonlySet<PathFacts>
  /** Those that it has with another archive. */
  readonly other: ReadonlySet<PathFacts>
  /** NarHashes, in hex, of archives of missing paths that it has. */
  readonly archives: ReadonlySet<string>
}

/**
 * Ask which paths, and which archives, a depot has: one request for each `LIMITS.missingPathsMax` of them.
 *
 * @throws DepotError what the depot says against it; `STORAGE_DOWN` when this is no depot's answer
 */
export async function askHeld(transfer: Transfer, paths: readonly PathFacts[]): Promise<Held> {
  const byName = new Map(paths.map((facts) => [nameOf(facts), facts]))
  const names = [...byName.keys()]
  const pages = Array.from({ length: Math.ceil(names.length / LIMITS.missingPathsMax) }, (_, index) =>
    names.slice(index * LIMITS.missingPathsMax, (index + 1) * LIMITS.missingPathsMax),
  )
  const answers = await Promise.all(pages.map((page) => ask(transfer, page)))
  // Whatever else a server says: nothing comes of names that nobody asked about.
  const named = (which: 'missing' | 'other' | 'archives'): readonly PathFacts[] =>
    answers.flatMap((answer) => answer[which].map((name) => byName.get(name)).filter((facts) => facts !== undefined))
  return {
    missing: new Set(named('missing')),
    other: new Set(named('other')),
    archives: new Set(named('archives').map(({ narHash }) => narHash)),
  }
}

const ANSWER = z.object({ missing: z.array(z.string()), other: z.array(z.string()), archives: z.array(z.string()) })

async function ask(transfer: Transfer, about: readonly string[]): Promise<z.infer<typeof ANSWER>> {
  const answer = await askDepot(transfer, { path: '/nix/-/missing', accept: 'application/json', about }, ANSWER)
  if (answer !== undefined) return answer
  throw new DepotError('STORAGE_DOWN', 'there is no depot at this address: it does not know what is missing')
}

function nameOf({ baseName, narHash }: PathFacts): string {
  return `${hashOf(baseName)}-${nix32OfHex(narHash)}`
}
