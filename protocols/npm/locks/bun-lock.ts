import { readJsonTree } from './json-tree.ts'
import type { LockedSource } from './locked-package.ts'
import { addressOf, entryOf, isEntry, isHttp, lockEntries, sourceOf } from './lock-entries.ts'
import type { FoundPackage, LockEntries, LockEntry } from './lock-entries.ts'
import { treeReader, type LockText, type MapTree, type Tree, type TreeReader } from './tree.ts'

/** bun.lock: JSON with trailing commas, `"installed as": ["name@version", "tarball", {…}, "integrity"]`. @throws DepotError */
export function readBunLock(source: LockText): LockEntries {
  const read = treeReader(source)
  const lock = read.map(readJsonTree(source, { lenient: true }), 'a bun.lock')
  if (lock.entries.get('lockfileVersion')?.kind !== 'other') throw read.malformed(lock, "it has no 'lockfileVersion'")
  const found: (LockEntry | LockedSource)[] = []
  const again: LockEntry[] = []
  for (const [key, tree] of read.mapIn(lock, 'packages')?.entries ?? []) {
    const { entry, bundled } = packageEntry(read, tree, key)
    if (entry === undefined) continue
    if (!bundled) found.push(entry)
    else if (isEntry(entry)) again.push(entry)
  }
  return lockEntries('bun', found, again)
}

const RESOLUTION = /^(?<name>(?:@[^/@]+\/)?[^/@]+)@(?<reference>.+)$/

interface BunEntry {
  /** None for a workspace or a link. */
  readonly entry?: LockEntry | LockedSource
  /** It comes in the tarball of what depends on it, and is not fetched. */
  readonly bundled: boolean
}

function packageEntry(read: TreeReader, tree: Tree, key: string): BunEntry {
  const [first, ...rest] = tree.kind === 'list' ? tree.items : []
  const { name, reference } = RESOLUTION.exec(first?.kind === 'text' ? first.text : '')?.groups ?? {}
  if (first?.kind !== 'text' || name === undefined || reference === undefined)
    throw read.malformed(first ?? tree, `'${key.slice(0, 200)}' is not a list that begins with name@version`)
  if (/^(?:workspace|root|link):/.test(reference)) return { bundled: false }
  if (/[/:]/.test(reference)) return { entry: sourceOf(first.text, reference), bundled: false }
  const [address, info, integrity] = rest
  const known = info?.kind === 'map' ? info : undefined
  const entry = entryOf({
    name,
    version: reference,
    integrity: integrity?.kind === 'text' && integrity.text !== '' ? integrity.text : undefined,
    resolved: address?.kind === 'text' && isHttp(address.text) ? addressOf(address) : undefined,
    platforms: known === undefined ? undefined : platformsIn(read, known),
  })
  return { entry, bundled: known !== undefined && read.isOn(known, 'bundled') }
}

function platformsIn(read: TreeReader, info: MapTree): FoundPackage['platforms'] {
  return { os: read.wordsIn(info, 'os'), cpu: read.wordsIn(info, 'cpu'), libc: read.wordsIn(info, 'libc') }
}
