import { z } from 'zod'

import { sha512Of, type TarballHashes } from '../integrity.ts'
import { tarballPath } from '../tarball-name.ts'
import type { Transfer } from '../../../src/client/transfer.ts'
import { askDepot } from '../../../src/client/ask-depot.ts'

/** What a depot has of a package. */
export interface Here {
  readonly versions: ReadonlyMap<string, TarballHashes & { readonly deprecated: boolean }>
  readonly tags: ReadonlyMap<string, string>
  readonly time: ReadonlyMap<string, string>
}

/** Ask a depot what it has of a package: nothing, when it does not know it. @throws DepotError */
export async function hereOf(transfer: Transfer, name: string): Promise<Here> {
  const question = { path: packagePath(name), accept: 'application/vnd.npm.install-v1+json' }
  const { versions, 'dist-tags': tags, time = {} } = (await askDepot(transfer, question, PACKUMENT)) ?? NOTHING
  return {
    versions: new Map(
      Object.entries(versions).map(([version, { dist, deprecated }]) => [
        version,
        { sha1: dist.shasum, sha256: '', sha512: sha512Of(dist.integrity), deprecated: deprecated !== undefined },
      ]),
    ),
    tags: new Map(Object.entries(tags)),
    time: new Map(Object.entries(time)),
  }
}

/** A package below the depot's URL. */
export function packagePath(name: string): `/npm/${string}` {
  return `/npm/${name.replaceAll(/[^\w.~@/-]/g, encodeURIComponent)}`
}

/** The last part of a tarball's path. */
export function tarballFile(name: string, version: string): string {
  return encodeURIComponent(tarballPath(name, version).split('/').at(-1) ?? '')
}

const PACKUMENT = z.object({
  versions: z.record(
    z.string(),
    z.object({ dist: z.object({ shasum: z.string(), integrity: z.string() }), deprecated: z.unknown().optional() }),
  ),
  'dist-tags': z.record(z.string(), z.string()),
  time: z.record(z.string(), z.string()).optional(),
})

const NOTHING: z.infer<typeof PACKUMENT> = { versions: {}, 'dist-tags': {} }
