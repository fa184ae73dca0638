import type { LockedSource } from './locked-package.ts'
import { entryOf, lockEntries, sourceOf, type FoundPackage, type LockEntries, type LockEntry } from './lock-entries.ts'
import { treeReader, type LockText, type MapTree, type TextTree, type TreeReader } from './tree.ts'
import { readYamlTrees } from './yaml-tree.ts'

/** yarn.lock of yarn 2 and up. Its checksums are of zip files that yarn makes, and say nothing of the tarballs. @throws DepotError */
export function readBerryLock(source: LockText): LockEntries {
  const read = treeReader(source)
  const [tree, ...more] = readYamlTrees(source)
  if (tree === undefined) return lockEntries('yarn berry', [])
  const [second] = more
  if (second !== undefined) throw read.malformed(second, 'a yarn.lock is one document')
  const found: (LockEntry | LockedSource)[] = []
  for (const [key, own] of read.map(tree, 'a yarn.lock').entries) {
    if (key === '__metadata') continue
    const entry = packageEntry(read, read.map(own, `'${key.slice(0, 200)}'`), key)
    if (entry !== undefined) found.push(entry)
  }
  return lockEntries('yarn berry', found)
}

const RESOLUTION = /^(?<name>(?:@[^/@]+\/)?[^/@]+)@(?<reference>.+)$/

/** Nothing for workspaces, links, and patches: what is patched stands there too. */
function packageEntry(read: TreeReader, own: MapTree, key: string): LockEntry | LockedSource | undefined {
  const resolution = read.textIn(own, 'resolution')
  const { name, reference } = RESOLUTION.exec(resolution?.text ?? '')?.groups ?? {}
  if (resolution === undefined || name === undefined || reference === undefined)
    throw read.malformed(resolution ?? own, `'${key.slice(0, 200)}' has no 'resolution' of the form name@reference`)
  if (/^(?:workspace|link|portal|patch|virtual):/.test(reference)) return undefined
  if (!reference.startsWith('npm:')) return sourceOf(resolution.text, reference)
  const [version = '', ...bindings] = reference.slice('npm:'.length).split('::')
  return entryOf({
    name,
    version,
    resolved: archiveUrl(resolution, bindings.join('::')),
    platforms: platformsOf(read.textIn(own, 'conditions')?.text),
  })
}

const ARCHIVE_URL = '__archiveUrl='

/** Where the tarball is, when it is not where yarn would look for it. */
function archiveUrl({ text, at, end }: TextTree, bindings: string): FoundPackage['resolved'] {
  const encoded = bindings
    .split('&')
    .find((binding) => binding.startsWith(ARCHIVE_URL))
    ?.slice(ARCHIVE_URL.length)
  if (encoded === undefined || end - at !== text.length) return undefined
  try {
    const start = at + text.indexOf(encoded, text.indexOf(ARCHIVE_URL))
    const place = { at: start, end: start + encoded.length, spelling: 'encoded' } as const
    return { url: decodeURIComponent(encoded), place }
  } catch {
    return undefined
  }
}

/** `os=linux & cpu=x64 & libc=glibc`, with `(os=darwin | os=linux)` where there are several. */
function platformsOf(conditions: string | undefined): FoundPackage['platforms'] {
  const platforms: { os?: string[]; cpu?: string[]; libc?: string[] } = {}
  for (const [, key, value = ''] of (conditions ?? '').matchAll(/\b(os|cpu|libc)=([^\s&|()]+)/g)) {
    if (key === 'os' || key === 'cpu' || key === 'libc') (platforms[key] ??= []).push(value)
  }
  return platforms
}
