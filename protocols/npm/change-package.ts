import { isDeepStrictEqual } from 'node:util'

import { ANONYMOUS } from '../../src/access.ts'
import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import type { Caller } from '../../src/protocol.ts'
import { userName } from './account-routes.ts'
import { parseMaintainers, type PackageDocument } from './package-document.ts'
import { withDeprecations, withStar } from './package-record.ts'
import { loadVersion, requireRevision, type LoadedPackage } from './packages.ts'
import { tagsOf } from './packument.ts'
import type { PackageRecord } from './records.ts'
import { writeLivePackage } from './write-package.ts'

/**
 * Change what a packument that comes back may change: texts of deprecation, owners, and the caller's own star. What else may differ in
 * it is not looked at; what another request is for has been refused before.
 *
 * @param revision the `_rev` that the client saw; without it whatever is there
 * @throws DepotError `NOT_FOUND` without the package, `CONFLICT` when `revision` is not the package's any more, `BAD_REQUEST`
 */
export async function changePackage(
  depot: Depot,
  caller: Caller,
  { name, document, revision }: { name: string; document: PackageDocument; revision: string | undefined },
): Promise<void> {
  await writeLivePackage(depot, caller, name, async (loaded) => {
    if (revision !== undefined) requireRevision(loaded, revision)
    const change = await changeOf(depot, caller, { name, document, loaded })
    const changed = change(loaded.record)
    if (changed === loaded.record) return undefined
    return { record: { ...changed, modified: new Date().toISOString() }, done: [{ action: 'write' }] }
  })
}

/** What a document changes of the record that it was made from. The function returns its argument when that is nothing. */
export async function changeOf(
  depot: Depot,
  caller: Caller,
  { name, document, loaded }: { name: string; document: PackageDocument; loaded: LoadedPackage },
): Promise<(record: PackageRecord) => PackageRecord> {
  const latest = await latestManifest(depot, caller, name, loaded)
  const { maintainers, users } = document
  const owned = loaded.record.maintainers ?? latest?.['maintainers']
  const owners =
    maintainers === undefined || isDeepStrictEqual(maintainers, owned) ? undefined : parseMaintainers(maintainers)
  const texts = await shortTexts(depot, caller, name, document.deprecated)
  const { principal } = caller
  const user = userName(principal)
  return (before) => {
    const texted = withDeprecations(before, texts)
    const owning = owners === undefined ? texted : { ...texted, maintainers: [...owners] }
    // Nobody stars for others, and nobody in particular for nobody.
    if (users === undefined || principal.id === ANONYMOUS.id) return owning
    return withStar(owning, user, users.has(user))
  }
}

/** The manifest that speaks for the package, or undefined. */
export async function latestManifest(
  depot: Depot,
  { cache }: Caller,
  name: string,
  { record }: LoadedPackage,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const { latest } = tagsOf(record)
  return latest === undefined ? undefined : (await loadVersion(depot, cache, name, latest))?.manifest
}

/** @throws DepotError `BAD_REQUEST` for a text beyond its bound, unless the version was published with it */
async function shortTexts(
  depot: Depot,
  { cache }: Caller,
  name: string,
  deprecated: PackageDocument['deprecated'],
): Promise<ReadonlyMap<string, string>> {
  const short = new Map<string, string>()
  for (const [version, text] of deprecated) {
    if (text.length <= LIMITS.npmDeprecationLengthMax) short.set(version, text)
    else if ((await loadVersion(depot, cache, name, version))?.manifest['deprecated'] !== text) {
      const message = `the text that deprecates ${version.slice(0, 300)} is longer than ${LIMITS.npmDeprecationLengthMax} characters`
      throw new DepotError('BAD_REQUEST', message)
    }
  }
  return short
}
