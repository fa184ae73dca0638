import { zstdCompressSync, zstdDecompressSync, constants } from 'node:zlib'

import { DepotError } from '../../../src/errors.ts'
import { messageOf } from '../../../src/thrown.ts'
import { pickManifest } from './pick-manifest.ts'
import { membersIn, parseUpstreamPackument, type Members, type UpstreamPackument } from './upstream-packument.ts'

/** What finding versions needs of a packument. Of a large package this is a small part; the rest waits, packed, until it is saved. */
export interface PackageFacts {
  readonly name: string
  /**
   * The version that npm installs for a version, range or tag: `latest` if it fits, else the highest, deprecated ones and those for
   * other versions of Node behind the rest.
   *
   * @throws DepotError `NOT_FOUND` when none fits
   */
  pick(wanted: string): string
  /** What a version depends on and where it runs. */
  factsOf(version: string): Members
  /** Everything again. */
  packument(): UpstreamPackument
}

export function packageFacts(name: string, text: string): PackageFacts {
  const { versions, tags } = parseUpstreamPackument(name, text)
  const facts = new Map([...versions].map(([version, manifest]) => [version, only(manifest, RESOLVING)]))
  const candidates = [...versions].map(([version, { deprecated, engines }]) => {
    return [version, { name, version, deprecated, engines }] as const
  })
  const choice = { name, 'dist-tags': Object.fromEntries(tags), versions: Object.fromEntries(candidates) }
  const packed = zstdCompressSync(text, { params: { [constants.ZSTD_c_compressionLevel]: 1 } })
  const picked = new Map<string, string>()
  return {
    name,
    pick(wanted) {
      const version = picked.get(wanted) ?? picking(name, wanted, () => pickManifest(choice, wanted).version)
      picked.set(wanted, version)
      return version
    },
    factsOf: (version) => facts.get(version) ?? {},
    packument: () => parseUpstreamPackument(name, zstdDecompressSync(packed).toString('utf8')),
  }
}

const RESOLVING = [
  'dependencies',
  'optionalDependencies',
  'peerDependencies',
  'peerDependenciesMeta',
  'bundleDependencies',
  'bundledDependencies',
  'os',
  'cpu',
  'libc',
]

function only(manifest: Members, names: readonly string[]): Members {
  return Object.fromEntries(
    names.flatMap((name) => (Object.hasOwn(manifest, name) ? [[name, manifest[name]] as const] : [])),
  )
}

function picking(name: string, wanted: string, pick: () => string): string {
  try {
    return pick()
  } catch (cause) {
    const why = /ETARGET|ENOVERSIONS/.test(codeOf(cause))
      ? `the registry has no version of ${name} that fits '${wanted}'`
      : messageOf(cause)
    throw new DepotError('NOT_FOUND', why, { cause })
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** Names in `bundleDependencies`, which a tarball brings along itself; `true` stands for all of its dependencies. */
export function bundledNames(facts: Members): ReadonlySet<string> {
  const bundled = facts['bundleDependencies'] ?? facts['bundledDependencies']
  if (bundled === true) return new Set(Object.keys(membersIn(facts, 'dependencies')))
  return new Set(Array.isArray(bundled) ? bundled.map(String) : Object.keys(membersIn(facts, 'bundledDependencies')))
}
