import { readJsonTree } from './json-tree.ts'
import type { LockedSource } from './locked-package.ts'
import { addressOf, entryOf, isHttp, lockEntries, sourceOf } from './lock-entries.ts'
import type { FoundPackage, LockEntries, LockEntry } from './lock-entries.ts'
import { treeReader, type LockText, type MapTree, type Tree, type TreeReader } from './tree.ts'

/** bun.lock: JSON with trailing commas, `"installed as": ["name@version", "tarball", {…}, "integrity"]`. @throws DepotError */
export function readBunLock(source: LockText): LockEntries {
  const read = treeReader(source)
  const lock = read.map(readJsonTree(source, { lenient: true }), 'a bun.lock')
  if (lock.entries.get('lockfileVersion')?.kind !== 'other') throw read.malformed(lock, "it has no 'lockfileVersion'")
  const found: (LockEntry | LockedSource)[] = []
  for (const [key, tree] of read.mapIn(lock, 'packages')?.entries ?? []) {
    const entry = packageEntry(read, tree, key)
    if (entry !== undefined) found.push(entry)
  }
  return lockEntries('bun', found)
}

const RESOLUTION = /^(?<name>(?:@[^/@]+\/)?[^/@]+)@(?<reference>.+)$/

function packageEntry(read: TreeReader, tree: Tree, key: string): LockEntry | LockedSource | undefined {
  const [first, ...rest] = tree.kind === 'list' ? tree.items : []
  const { name, reference } = RESOLUTION.exec(first?.kind === 'text' ? first.text : '')?.groups ?? {}
  if (first?.kind !== 'text' || name === undefined || reference === undefined)
    throw read.malformed(first ?? tree, `'${key.slice(0, 200)}' is not a list that begins with name@version`)
  if (/^(?:workspace|root|link):/.test(reference)) return undefined
  const info = rest.find((item) => item.kind === 'map')
  if (info?.kind === 'map' && read.isOn(info, 'bundled')) return undefined
  if (/[/:]/.test(reference)) return sourceOf(first.text, reference)
  const [address, , last] = rest
  return entryOf({
    name,
    version: reference,
    integrity: last?.kind === 'text' && last.text !== '' ? last.text : undefined,
    resolved: address?.kind === 'text' && isHttp(address.text) ? addressOf(address) : undefined,
    platforms: info?.kind === 'map' ? platformsIn(read, info) : undefined,
  })
}

function platformsIn(read: TreeReader, info: MapTree): FoundPackage['platforms'] {
  return { os: read.wordsIn(info, 'os'), cpu: read.wordsIn(info, 'cpu'), libc: read.wordsIn(info, 'libc') }
}
