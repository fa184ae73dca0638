import { z } from 'zod'

import { askDepot } from '../../../src/client/ask-depot.ts'
import type { Transfer } from '../../../src/client/transfer.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { namesDigest, type DeclaredHashes } from '../integrity.ts'
import { versionKey } from '../records.ts'
import type { HereBefore } from './history.ts'

/** A version that a depot is asked about. */
export interface AskedVersion {
  readonly name: string
  readonly version: string
  readonly declared?: DeclaredHashes
}

/** What a depot says of some versions, by `name@version`, and of their packages. */
export interface DepotState {
  readonly missing: ReadonlySet<string>
  /** Here, with other bytes. */
  readonly differs: ReadonlySet<string>
  readonly deleted: ReadonlySet<string>
  /** With statements about how they were made. */
  readonly attested: ReadonlySet<string>
  /** By name; absent for what the depot does not know. */
  readonly packages: ReadonlyMap<string, PackageState>
}

export interface PackageState extends HereBefore {
  /** Tags that somebody set in the depot itself. */
  readonly set: ReadonlySet<string>
  /** When the package had last changed in the registry that the depot was told of. */
  readonly modified: string | undefined
}

/** Ask a depot about versions, in as few requests as it takes. @throws DepotError */
export async function askVersions(transfer: Transfer, asked: readonly AskedVersion[]): Promise<DepotState> {
  const state = { missing: new Set<string>(), differs: new Set<string>(), deleted: new Set<string>() }
  const attested = new Set<string>()
  const packages = new Map<string, PackageState & MutableMaps>()
  for (let at = 0; at < asked.length; at += LIMITS.npmMissingVersionsMax) {
    const page = asked.slice(at, at + LIMITS.npmMissingVersionsMax)
    const answer = await askPage(transfer, page)
    for (const what of ['missing', 'differs', 'deleted'] as const) for (const key of answer[what]) state[what].add(key)
    for (const one of answer.packages) addPackage(packages, attested, one, page)
  }
  // What is deleted is not here, and what is missing neither.
  for (const [name, { versions }] of packages) {
    for (const version of versions.keys()) {
      const key = versionKey(name, version)
      if (state.missing.has(key) || state.deleted.has(key)) versions.delete(version)
    }
  }
  return { ...state, attested, packages }
}

interface MutableMaps {
  readonly versions: Map<string, { readonly deprecated: boolean }>
  readonly time: Map<string, string>
}

async function askPage(transfer: Transfer, page: readonly AskedVersion[]): Promise<z.infer<typeof ANSWER>> {
  const about = page.map(({ name, version, declared }) => ({ name, version, ...askable(declared) }))
  const path = '/npm/-/missing-versions'
  const answer = await askDepot(transfer, { path, accept: 'application/json', about }, ANSWER)
  if (answer !== undefined) return answer
  throw new DepotError(
    'NOT_FOUND',
    'this depot cannot be asked what it lacks: it is older than this command, or does not let you read its npm packages',
  )
}

const KEYS = z.array(z.string())
const TEXTS = z.record(z.string(), z.string())
const ANSWER = z.object({
  missing: KEYS,
  differs: KEYS,
  deleted: KEYS,
  packages: z.array(
    z.object({
      name: z.string(),
      tags: TEXTS,
      set: KEYS,
      modified: z.string().optional(),
      time: TEXTS,
      deprecated: KEYS,
      attested: KEYS,
    }),
  ),
})

/** What nobody can check is not asked: one odd promise must not spoil the question about a thousand others. */
function askable({ integrity, shasum }: DeclaredHashes = {}): DeclaredHashes {
  const known = integrity !== undefined && integrity.length <= LIMITS.npmIntegrityLengthMax && namesDigest(integrity)
  return {
    ...(known ? { integrity } : {}),
    ...(shasum !== undefined && shasum.length <= LIMITS.npmShasumLengthMax ? { shasum } : {}),
  }
}

function addPackage(
  packages: Map<string, PackageState & MutableMaps>,
  attested: Set<string>,
  one: z.infer<typeof ANSWER>['packages'][number],
  page: readonly AskedVersion[],
): void {
  const { name, tags, set, modified, time, deprecated } = one
  const before = packages.get(name)
  const versions = before?.versions ?? new Map<string, { readonly deprecated: boolean }>()
  const old = new Set(deprecated)
  for (const { name: asked, version } of page)
    if (asked === name) versions.set(version, { deprecated: old.has(version) })
  const times = new Map([...(before?.time ?? []), ...Object.entries(time)])
  packages.set(name, { versions, tags: new Map(Object.entries(tags)), set: new Set(set), modified, time: times })
  for (const version of one.attested) attested.add(versionKey(name, version))
}
