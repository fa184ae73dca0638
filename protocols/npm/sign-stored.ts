import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import { SYSTEM_CACHE, type Cache, type KvRecord, type RecordPut } from '../../src/kv-store.ts'
import { SERVER } from '../../src/protocol.ts'
import { isTombstone, KIND, readVersion, versionKey } from './records.ts'
import type { SigningKey } from './signing.ts'
import { writePackage } from './write-package.ts'

/**
 * Sign every version of a cache that the newest key has not signed: those of a time before there was a key, and all of them when there is
 * a newer one. Once a key has been through, that is noted, and the next start has nothing to do. It may be stopped anywhere and begun
 * again, and several servers may be at it.
 */
export async function signStored(depot: Depot, cache: Cache, signer: SigningKey, stop: AbortSignal): Promise<void> {
  const { keyid } = signer.entry
  const note = await depot.get(SYSTEM_CACHE, KIND.signed, cache.name)
  if (note?.value === JSON.stringify(keyid)) return
  for await (const { key } of depot.all(cache, KIND.package)) {
    for (let left = true; left && !stop.aborted;) left = await signSome(depot, cache, key, signer)
    if (stop.aborted) return
    await breath()
  }
  await depot.commit(SYSTEM_CACHE, { puts: [{ kind: KIND.signed, key: cache.name, value: JSON.stringify(keyid) }] })
}

/** A commit of so many versions holds up others for some milliseconds. */
const VERSIONS_PER_COMMIT = 100

/** Sign some versions of a package in one commit; true when there may be more. */
async function signSome(depot: Depot, cache: Cache, name: string, signer: SigningKey): Promise<boolean> {
  let signed = 0
  await writePackage(depot, { ...SERVER, cache }, name, async (loaded) => {
    const puts = loaded === undefined ? [] : await signSomeVersions(depot, cache, name, signer)
    signed = puts.length
    if (loaded === undefined || signed === 0) return undefined
    // The record goes back as it is: what was rendered of it goes, and nobody changes the package meanwhile.
    return { record: loaded.record, puts, done: [{ action: 'sign' }] }
  })
  return signed === VERSIONS_PER_COMMIT
}

/** The first versions of a package that the key has not signed, signed by it. */
async function signSomeVersions(
  depot: Depot,
  cache: Cache,
  name: string,
  signer: SigningKey,
): Promise<readonly RecordPut[]> {
  const puts: RecordPut[] = []
  for await (const found of depot.all(cache, KIND.version, versionKey(name, ''))) {
    const put = await signedAgain(found, signer)
    if (put !== undefined) puts.push(put)
    if (puts.length === VERSIONS_PER_COMMIT) break
    await breath()
  }
  return puts
}

/** The version with a signature by this key alone beside those of its publisher; undefined when it has that, or was deleted. */
async function signedAgain({ key, value, version }: KvRecord, signer: SigningKey): Promise<RecordPut | undefined> {
  const record = readVersion(value)
  if (isTombstone(record) || record.signatures?.some(({ keyid }) => keyid === signer.entry.keyid)) return undefined
  const { digest, manifest } = record
  const signature = await signer.sign(manifest.name, manifest.version, String(manifest.dist['integrity']))
  const signed = JSON.stringify({ ...record, signatures: [signature] })
  return { kind: KIND.version, key, value: signed, expected: version, refs: [digest] }
}
