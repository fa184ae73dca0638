import { z } from 'zod'

import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { readJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import type { Cache } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import type { LocalStore } from '../../src/local-store.ts'
import { route, type Route } from '../../src/protocol.ts'
import { inTurns } from './in-turns.ts'
import { findLocal } from './local-path.ts'
import type { NarinfoRules } from './narinfo-rules.ts'
import { hexOfNix32, NIX32_CLASS } from './nix32.ts'
import { KIND_PREFIX, PATH_KIND } from './records.ts'
import { STORE_HASH_CLASS } from './store-path.ts'
import { storedPath } from './stored-path.ts'

const WANTED = new RegExp(`^(?<hash>${STORE_HASH_CLASS})(?:-(?<nar>${NIX32_CLASS}{52}))?$`)

/** A store path that is asked about. */
interface Wanted {
  /** As it was asked, and is answered. */
  readonly text: string
  readonly hash: string
  /** Hex of the NarHash that the path should have. */
  readonly narHash: string | undefined
}

const wantedTexts = z.array(z.string()).max(LIMITS.missingPathsMax)

/** Each once. @throws DepotError `BAD_REQUEST` */
async function wantedAmong(texts: readonly string[]): Promise<readonly Wanted[]> {
  const wanted: Wanted[] = []
  for (const text of new Set(texts)) {
    await breath()
    const groups = WANTED.exec(text)?.groups
    const [hash, nar] = [groups?.['hash'], groups?.['nar']]
    const narHash = nar === undefined ? undefined : hexOfNix32(nar)
    if (hash === undefined || (narHash === undefined) !== (nar === undefined)) throw noHash(texts.indexOf(text))
    wanted.push({ text, hash, narHash })
  }
  return wanted
}

function noHash(place: number): DepotError {
  const hint = 'the hash of a store path has 32 digits of base 32, and a NarHash behind it and a dash 52'
  return new DepotError('BAD_REQUEST', `the list of store hashes, ${place}: ${hint}`)
}

/**
 * `POST -/missing`: of a list of store hashes, those whose narinfo is not to be had here, each once, as `{"missing": […]}`. One request
 * for a whole closure, where Nix sends one a path. Of what is asked as `<store hash>-<NarHash>` it also tells which paths are here with
 * another archive, `"other"`, and for which missing ones the archive is here already, `"archives"`. It changes nothing, so whoever may
 * read may ask.
 */
export function missingRoute(depot: Depot, { localStore }: Pick<NarinfoRules, 'localStore'>): Route {
  return route({
    method: 'POST',
    pattern: '/-/missing',
    action: 'read',
    async handle(request) {
      const json = await readJson(request, LIMITS.missingBodyBytesMax)
      const wanted = await wantedAmong(parseAs(wantedTexts, json, 'the list of store hashes'))
      const missing = await missingOf(depot, request.cache, wanted, localStore)
      const answer = wanted.some(({ narHash }) => narHash !== undefined)
        ? { missing: texts(missing), ...(await narsOf(depot, request.cache, { wanted, missing, localStore })) }
        : { missing: texts(missing) }
      return jsonResponse(200, answer, { 'Cache-Control': 'no-store' })
    },
  })
}

function texts(wanted: Iterable<Wanted>): readonly string[] {
  return Array.from(wanted, ({ text }) => text)
}

async function missingOf(
  depot: Depot,
  cache: Cache,
  wanted: readonly Wanted[],
  localStore: LocalStore | undefined,
): Promise<ReadonlySet<Wanted>> {
  const missing = new Set(wanted)
  for (let at = 0; at < wanted.length; at += LIMITS.lookupKeysMax) {
    const page = wanted.slice(at, at + LIMITS.lookupKeysMax)
    const hashes = [...new Set(page.map(({ hash }) => hash))]
    const present = new Set(await depot.kv.present(cache.id, PATH_KIND, hashes))
    for (const path of page) {
      await breath()
      if (present.has(path.hash) || findLocal(localStore, path.hash) !== undefined) missing.delete(path)
    }
  }
  return missing
}

interface Asked {
  readonly wanted: readonly Wanted[]
  readonly missing: ReadonlySet<Wanted>
  readonly localStore: LocalStore | undefined
}

async function narsOf(
  depot: Depot,
  cache: Cache,
  { wanted, missing, localStore }: Asked,
): Promise<{ readonly other: readonly string[]; readonly archives: readonly string[] }> {
  const [other, archives] = [new Set<Wanted>(), new Set<Wanted>()]
  await inTurns(wanted, async (path) => {
    const { hash, narHash } = path
    if (narHash === undefined) return
    if (missing.has(path)) {
      if ((await depot.blobOf(cache, KIND_PREFIX, narHash)) !== undefined) archives.add(path)
      return
    }
    const { entry } = (await storedPath(depot, cache, hash)) ?? findLocal(localStore, hash) ?? {}
    if (entry !== undefined && entry.narHash !== narHash) other.add(path)
  })
  const inOrder = (some: ReadonlySet<Wanted>): readonly string[] => texts(wanted.filter((path) => some.has(path)))
  return { other: inOrder(other), archives: inOrder(archives) }
}
