import type { LockedSource } from './locked-package.ts'
import { addressOf, entryOf, isEntry, isHttp, lockEntries, sourceOf } from './lock-entries.ts'
import type { FoundPackage, LockEntries, LockEntry } from './lock-entries.ts'
import { readJsonTree } from './json-tree.ts'
import { treeReader, type LockText, type MapTree, type TextTree, type TreeReader } from './tree.ts'

/**
 * package-lock.json and npm-shrinkwrap.json: v1 (a tree of `dependencies`), v3 (a table of `packages` by their folder) and v2, which
 * has both and whose table counts.
 *
 * @throws DepotError `BAD_REQUEST`
 */
export function readPackageLock(source: LockText): LockEntries {
  const read = treeReader(source)
  const tree = readJsonTree(source, { lenient: false })
  const lock = read.map(tree, 'a package-lock')
  const version = lock.entries.get('lockfileVersion')
  if (version !== undefined && !(version.kind === 'other' && VERSIONS.has(version.value))) {
    throw read.malformed(version, 'this version of package-lock is not known: it has to be 1, 2 or 3')
  }
  const table = read.mapIn(lock, 'packages')
  const nested = read.mapIn(lock, 'dependencies')
  if (table === undefined) {
    if (nested === undefined && version === undefined)
      throw read.malformed(lock, "it has neither 'packages' nor 'dependencies'")
    return lockEntries('npm', nested === undefined ? [] : nestedEntries(read, nested))
  }
  const again = nested === undefined ? [] : [...nestedEntries(read, nested)].filter(isEntry)
  return lockEntries('npm', tableEntries(read, table), again)
}

const VERSIONS: ReadonlySet<unknown> = new Set([1, 2, 3])

function* tableEntries(read: TreeReader, table: MapTree): Generator<LockEntry | LockedSource> {
  const remote = remoteSpecs(read, table)
  for (const [folder, tree] of table.entries) {
    const at = folder.lastIndexOf(MODULES)
    // The project and its workspaces stand under their own folders.
    if (at < 0) continue
    const own = read.map(tree, `'${folder.slice(0, 200)}'`)
    if (read.isOn(own, 'link') || read.isOn(own, 'inBundle') || read.isOn(own, 'extraneous')) continue
    const installedAs = folder.slice(at + MODULES.length)
    const name = read.textIn(own, 'name')?.text ?? installedAs
    yield tableEntry(read, own, { name, remote })
  }
}

const MODULES = 'node_modules/'

function tableEntry(
  read: TreeReader,
  own: MapTree,
  { name, remote }: { readonly name: string; readonly remote: ReadonlySet<string> },
): LockEntry | LockedSource {
  const version = read.textIn(own, 'version')?.text
  const resolved = read.textIn(own, 'resolved')
  const optional = read.isOn(own, 'optional')
  const item = version === undefined ? name : `${name}@${version}`
  if (resolved !== undefined && (!isHttp(resolved.text) || remote.has(resolved.text)))
    return { ...sourceOf(item, resolved.text, optional), ...integrityIn(read, own) }
  if (version === undefined) return { item, reason: 'the lock file does not say which version', breaks: !optional }
  const platforms = { os: read.wordsIn(own, 'os'), cpu: read.wordsIn(own, 'cpu'), libc: read.wordsIn(own, 'libc') }
  return entryOf({ name, version, ...tarballIn(read, own, resolved), platforms, optional })
}

function tarballIn(
  read: TreeReader,
  own: MapTree,
  resolved: TextTree | undefined,
): Pick<FoundPackage, 'integrity' | 'resolved'> {
  const integrity = read.textIn(own, 'integrity')?.text
  return { integrity, resolved: resolved === undefined ? undefined : addressOf(resolved) }
}

function integrityIn(read: TreeReader, own: MapTree): Pick<LockedSource, 'integrity'> {
  const integrity = read.textIn(own, 'integrity')?.text
  return integrity === undefined ? {} : { integrity }
}

/** Addresses that somebody depends on as such: what is there belongs to no registry, wherever it is. */
function remoteSpecs(read: TreeReader, table: MapTree): ReadonlySet<string> {
  const specs = new Set<string>()
  for (const tree of table.entries.values()) {
    if (tree.kind !== 'map') continue
    for (const kind of DEPENDENCIES) {
      for (const spec of read.mapIn(tree, kind)?.entries.values() ?? []) {
        if (spec.kind === 'text' && isHttp(spec.text)) specs.add(spec.text)
      }
    }
  }
  return specs
}

const DEPENDENCIES = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'] as const

/** The tree of v1. The reader of JSON has bounded its depth. */
function* nestedEntries(read: TreeReader, table: MapTree): Generator<LockEntry | LockedSource> {
  for (const [installedAs, tree] of table.entries) {
    const own = read.map(tree, `'${installedAs.slice(0, 200)}'`)
    if (!read.isOn(own, 'bundled')) yield nestedEntry(read, installedAs, own)
    const inside = read.mapIn(own, 'dependencies')
    if (inside !== undefined) yield* nestedEntries(read, inside)
  }
}

function nestedEntry(read: TreeReader, installedAs: string, own: MapTree): LockEntry | LockedSource {
  const said = read.textIn(own, 'version')?.text
  const optional = read.isOn(own, 'optional')
  if (said === undefined)
    return { item: installedAs, reason: 'the lock file does not say which version', breaks: !optional }
  const { name, version } = aliased(installedAs, said)
  if (/[/:]/.test(version)) return { ...sourceOf(`${installedAs}@${said}`, said, optional), ...integrityIn(read, own) }
  const resolved = read.textIn(own, 'resolved')
  return entryOf({ name, version, ...tarballIn(read, own, resolved), optional })
}

/** `npm:<name>@<version>` says the name of what is installed as another. */
function aliased(installedAs: string, said: string): { readonly name: string; readonly version: string } {
  const at = said.lastIndexOf('@')
  if (!said.startsWith('npm:') || at <= 'npm:'.length) return { name: installedAs, version: said }
  return { name: said.slice('npm:'.length, at), version: said.slice(at + 1) }
}
