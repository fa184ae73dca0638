import type { LockedSource } from './locked-package.ts'
import { addressOf, entryOf, lockEntries, sourceOf, type LockEntries, type LockEntry } from './lock-entries.ts'
import { treeReader, type LockText, type MapTree, type Tree, type TreeReader } from './tree.ts'
import { readYamlTrees } from './yaml-tree.ts'

/**
 * pnpm-lock.yaml of versions 5, 6 and 9. Since pnpm 11 it has two documents: the first is for pnpm itself and for packages that
 * configure it, and an install needs those as well.
 *
 * @throws DepotError `BAD_REQUEST`
 */
export function readPnpmLock(source: LockText): LockEntries {
  const read = treeReader(source)
  const documents = readYamlTrees(source)
  return lockEntries(
    'pnpm',
    documents.flatMap((tree) => (isEmpty(tree) ? [] : [...documentEntries(read, tree)])),
  )
}

function isEmpty(tree: Tree): boolean {
  return tree.kind === 'other' || (tree.kind === 'text' && tree.text === '')
}

function* documentEntries(read: TreeReader, tree: Tree): Generator<LockEntry | LockedSource> {
  const lock = read.map(tree, 'a pnpm-lock')
  const version = read.textIn(lock, 'lockfileVersion')
  const layout = LAYOUTS.find(([pattern]) => pattern.test(version?.text ?? ''))
  if (layout === undefined)
    throw read.malformed(version ?? lock, 'this version of pnpm-lock is not known: it has to be 5, 6 or 9')
  const snapshots = read.mapIn(lock, 'snapshots')
  const needed = snapshots === undefined ? undefined : neededPackages(read, snapshots)
  for (const [key, tree] of read.mapIn(lock, 'packages')?.entries ?? []) {
    const own = read.map(tree, `'${key.slice(0, 200)}'`)
    const optional = needed === undefined ? read.isOn(own, 'optional') : !needed.has(key)
    yield packageEntry(read, own, { key, optional, pattern: layout[1] })
  }
}

/** Keys of a package: v5 `/name/1.0.0_peers`, v6 `/name@1.0.0(peers)`, v9 `name@1.0.0`; those of a further registry begin with its host. */
const LAYOUTS: readonly (readonly [RegExp, RegExp])[] = [
  [/^5(?:\.\d+)?$/, /^[^/]*\/(?<name>(?:@[^/]+\/)?[^/@]+)\/(?<version>\d[^/_]*)(?:_.*)?$/],
  [/^6\.\d+$/, /^[^/]*\/(?<name>(?:@[^/]+\/)?[^/@]+)@(?<version>\d[^/:(]*)(?:\(.*)?$/],
  [/^9\.\d+$/, /^(?<name>(?:@[^/]+\/)?[^/@]+)@(?<version>\d[^/:(]*)(?:\(.*)?$/],
]

/** v9 says of each package with its peers whether it is optional; these are needed with some of them. */
function neededPackages(read: TreeReader, snapshots: MapTree): ReadonlySet<string> {
  const needed = new Set<string>()
  for (const [key, tree] of snapshots.entries) {
    const optional = tree.kind === 'map' && read.isOn(tree, 'optional')
    const peers = key.indexOf('(')
    if (!optional) needed.add(peers < 0 ? key : key.slice(0, peers))
  }
  return needed
}

interface PackageKey {
  readonly key: string
  readonly optional: boolean
  readonly pattern: RegExp
}

function packageEntry(
  read: TreeReader,
  own: MapTree,
  { key, optional, pattern }: PackageKey,
): LockEntry | LockedSource {
  const resolution = read.mapIn(own, 'resolution')
  if (resolution === undefined) throw read.malformed(own, `'${key.slice(0, 200)}' has no 'resolution'`)
  const tarball = read.textIn(resolution, 'tarball')
  const type = read.textIn(resolution, 'type')?.text
  const { name, version } = pattern.exec(key)?.groups ?? {}
  if (name === undefined || version === undefined || (type !== undefined && type !== 'tarball')) {
    const reference = type === 'git' ? gitReference(read, resolution) : tarball?.text
    return reference === undefined ? projectFile(key, type) : sourceOf(key, reference, optional)
  }
  return entryOf({
    name,
    version,
    integrity: read.textIn(resolution, 'integrity')?.text,
    resolved: tarball === undefined ? undefined : addressOf(tarball),
    platforms: { os: read.wordsIn(own, 'os'), cpu: read.wordsIn(own, 'cpu'), libc: read.wordsIn(own, 'libc') },
    optional,
  })
}

function projectFile(key: string, type: string | undefined): LockedSource {
  if (type === undefined || type === 'directory') return sourceOf(key, 'file:')
  return { item: key.slice(0, 500), reason: `a '${type.slice(0, 100)}', which no registry has`, breaks: true }
}

/** As the other clients spell it: `git+<url>#<commit>`. */
function gitReference(read: TreeReader, resolution: MapTree): string {
  const repo = read.textIn(resolution, 'repo')?.text ?? ''
  const commit = read.textIn(resolution, 'commit')?.text ?? ''
  return `${/^git[+@]|^ssh:/.test(repo) ? '' : 'git+'}${repo}#${commit}`
}
