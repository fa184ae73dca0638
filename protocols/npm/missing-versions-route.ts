import { z } from 'zod'

import { SOME_NAME } from '../../src/access.ts'
import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import { readJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import type { Cache } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { hashMismatch, sha512Of } from './integrity.ts'
import { parsePackageName } from './package-name.ts'
import { withDeprecation } from './package-record.ts'
import { findVersion, loadPackage } from './packages.ts'
import { tagsOf } from './packument.ts'
import { isTombstone, KIND, readAttestation, versionKey, type PackageRecord, type VersionRecord } from './records.ts'
import { parseVersion } from './version.ts'

const askedSchema = z
  .array(
    z.object({
      name: z.string().max(LIMITS.npmNameLengthMax),
      version: z.string().max(LIMITS.npmVersionLengthMax),
      /** What its tarball has where it comes from. */
      integrity: z.string().max(LIMITS.npmIntegrityLengthMax).optional(),
      shasum: z.string().max(LIMITS.npmShasumLengthMax).optional(),
    }),
  )
  .max(LIMITS.npmMissingVersionsMax)

type Asked = z.infer<typeof askedSchema>[number]

interface Answer {
  /** Not here, or not for the caller to see. `name@version`, as all of them. */
  readonly missing: string[]
  /** Here with another tarball than was said. */
  readonly differs: string[]
  /** They were deleted, and their names are not free. */
  readonly deleted: string[]
  readonly packages: PackageHere[]
}

/** What is known of a package, as far as versions of it were asked about. */
interface PackageHere {
  readonly name: string
  readonly tags: Readonly<Record<string, string>>
  /** Tags that somebody set here: another registry did not say so. */
  readonly set: readonly string[]
  /** When it had changed in the registry that said something of it last, if one did. */
  readonly modified?: string
  readonly time: Record<string, string>
  readonly deprecated: string[]
  /** Versions with statements about how they were made. */
  readonly attested: string[]
}

/**
 * `POST /-/missing-versions`: of a list of versions, those that are not to be had here, with what whoever brings them in has to know besides. One
 * request for a whole tree. It changes nothing, so whoever may read may ask.
 */
export function missingVersionsRoute(depot: Depot): Route {
  return route({
    method: 'POST',
    pattern: '/-/missing-versions',
    action: 'read',
    resource: SOME_NAME,
    async handle(request) {
      const asked = parseAs(askedSchema, await readJson(request, LIMITS.npmMissingBodyBytesMax), 'the list of versions')
      // A question about nothing asks about no name, and its answer tells of none.
      request.may('')
      const answer: Answer = { missing: [], differs: [], deleted: [], packages: [] }
      for (const [name, versions] of byName(asked)) await lookUp(depot, request, { name, versions, answer })
      return jsonResponse(200, answer, { 'Cache-Control': 'no-store' })
    },
  })
}

/** Each version once. */
function byName(asked: readonly Asked[]): ReadonlyMap<string, ReadonlyMap<string, Asked>> {
  const packages = new Map<string, Map<string, Asked>>()
  for (const one of asked) {
    const versions = packages.get(one.name) ?? new Map<string, Asked>()
    packages.set(one.name, versions.set(one.version, one))
  }
  return packages
}

interface Looked {
  readonly name: string
  readonly versions: ReadonlyMap<string, Asked>
  readonly answer: Answer
}

async function lookUp(depot: Depot, request: DepotRequest, { name, versions, answer }: Looked): Promise<void> {
  const { cache } = request
  await breath()
  const readable = parsePackageName(name) !== undefined && request.may(name)
  const loaded = readable ? await loadPackage(depot, cache, name) : undefined
  if (loaded === undefined) return void answer.missing.push(...[...versions.keys()].map((one) => versionKey(name, one)))
  const known = [...versions.keys()].filter((version) => parseVersion(version) !== undefined)
  const whole = await presentOf(depot, cache, KIND.version, name, known)
  const attested = await presentOf(depot, cache, KIND.attestation, name, known)
  const found = packageHere(name, loaded.record)
  for (const [version, asked] of versions) {
    await breath()
    const key = versionKey(name, version)
    const record = whole.has(key) ? (await findVersion(depot, cache, name, version))?.record : undefined
    if (record === undefined) answer.missing.push(key)
    else if (isTombstone(record)) answer.deleted.push(key)
    else if (differs(record, asked)) answer.differs.push(key)
    if (record === undefined || isTombstone(record)) continue
    if (Object.hasOwn(loaded.record.times, version)) found.time[version] = loaded.record.times[version] ?? ''
    if (withDeprecation(loaded.record, version, record).manifest['deprecated'] !== undefined)
      found.deprecated.push(version)
    if (attested.has(key) && (await isAttested(depot, cache, key, record))) found.attested.push(version)
  }
  answer.packages.push(found)
}

async function isAttested(depot: Depot, cache: Cache, key: string, record: VersionRecord): Promise<boolean> {
  const said = await depot.get(cache, KIND.attestation, key)
  return said !== undefined && readAttestation(said.value, record) !== undefined
}

/** Keys of those whose bytes can be had too. At most `LIMITS.npmMissingVersionsMax`, which one statement looks up. */
async function presentOf(
  depot: Depot,
  cache: Cache,
  kind: string,
  name: string,
  versions: readonly string[],
): Promise<ReadonlySet<string>> {
  const keys = versions.map((version) => versionKey(name, version))
  return new Set(await depot.kv.present(cache.id, kind, keys))
}

function packageHere(name: string, record: PackageRecord): PackageHere {
  const { tags, brought } = record
  const set = Object.keys(tags).filter(
    (tag) => !(brought !== undefined && Object.hasOwn(brought.tags, tag) && brought.tags[tag] === tags[tag]),
  )
  return {
    name,
    tags: tagsOf(record),
    set,
    ...(brought?.modified === undefined ? {} : { modified: brought.modified }),
    time: {},
    deprecated: [],
    attested: [],
  }
}

function differs({ digest, manifest }: VersionRecord, asked: Asked): boolean {
  const { shasum, integrity } = manifest.dist
  const hashes = { sha1: String(shasum), sha256: digest, sha512: sha512Of(String(integrity)) }
  return hashMismatch(hashes, asked) !== undefined
}
