import { createHash } from 'node:crypto'

import { place } from '../../../src/client/fetch-from.ts'
import type { SaveRun } from '../../../src/client/runs.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { parsePackageName } from '../package-name.ts'
import { inspectTarball } from '../tarball.ts'
import { publishedVersion } from '../version.ts'
import { promisedDigests } from './tarball-digests.ts'
import type { Members } from './upstream-packument.ts'

/** A tarball that lies in the folder, under a name that says nothing yet. */
export interface FetchedSource {
  readonly name: string
  readonly version: string
  /** Its package.json, as a registry would have it. */
  readonly manifest: Members
  readonly path: string
  readonly sizeBytes: number
}

/**
 * Fetch a tarball from an address outside the registry and read its package.json. Where no hash is promised for it, what came is
 * recorded.
 *
 * @param integrity as a lock file has it
 * @throws DepotError what a download throws, and for what is no npm tarball
 */
export async function fetchSource({ folder, download }: SaveRun, url: URL, integrity?: string): Promise<FetchedSource> {
  const path = `-/sources/${createHash('sha256').update(url.href).digest('hex')}.tgz`
  const { hashes, sizeBytes } = await download.file({
    url,
    folder,
    path,
    expected: { hashes: promisedDigests(place(url), {}, integrity === undefined ? [] : [integrity]) },
    sizeBytesMax: LIMITS.npmTarballBytesMax,
    algorithms: ['sha1', 'sha512'],
  })
  try {
    using inspector = inspectTarball()
    const file = await folder.find(path)
    for await (const piece of (await file?.blob())?.stream() ?? []) await inspector.write(piece)
    const { name, version, hasInstallScript, whole } = await inspector.finish()
    const published = publishedVersion(version)
    if (parsePackageName(name) === undefined || published === undefined)
      throw new DepotError('INVALID_NAME', `the package.json of ${place(url)} names no version of a package`)
    const found = `sha512-${Buffer.from(hashes.sha512 ?? '', 'hex').toString('base64')}`
    const dist = { integrity: found, shasum: hashes.sha1, tarball: place(url) }
    const own = { ...whole, version: published, ...(hasInstallScript ? { hasInstallScript } : {}) }
    return { name, version: published, manifest: { ...own, _id: `${name}@${published}`, dist }, path, sizeBytes }
  } catch (error) {
    await folder.remove(path)
    throw error
  }
}
