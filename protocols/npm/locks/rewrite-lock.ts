import type { LockEntry, Place } from './lock-entries.ts'
import { readEntries } from './read-lock.ts'
import { isTarballAddress, tarballAddress } from './tarball-address.ts'

/** A lock file whose tarballs are in one registry. */
export interface RewrittenLock {
  readonly text: string
  /** Addresses that were others before. */
  readonly changed: number
  /** Addresses that stay: those of no registry, and those of a registry with paths of its own. */
  readonly left: readonly LeftAddress[]
}

export interface LeftAddress {
  /** How the lock file calls what is there. */
  readonly item: string
  /** As the lock file spells it: it may hold credentials. */
  readonly url: string
  readonly reason: string
}

/**
 * Point every address of a registry's tarball in a lock file at another registry. All else stays as it is, byte for byte, digests above
 * all: the tarball has to be the same. Doing it again changes nothing.
 *
 * @param registry its URL without a trailing slash, of characters that need no escape in JSON
 * @throws DepotError `BAD_REQUEST` for a malformed lock file
 */
export function rewriteLock(filename: string, text: string, registry: string): RewrittenLock {
  const { packages, again, others } = readEntries(filename, text)
  const edits: Edit[] = []
  const left = new Map<string, LeftAddress>()
  for (const entry of [...packages, ...again]) {
    const { name, version, resolved, place } = entry
    if (resolved === undefined || place === undefined) continue
    const address = tarballAddress(registry, entry)
    if (resolved === address) continue
    if (isTarballAddress(resolved, entry)) edits.push({ ...place, text: spelled(address, place) })
    else left.set(resolved, { item: `${name}@${version}`, url: resolved, reason: unlike(entry) })
  }
  for (const { item, url, reason } of others) if (url !== undefined) left.set(url, { item, url, reason })
  return { text: edited(text, edits), changed: edits.length, left: [...left.values()] }
}

interface Edit extends Place {
  readonly text: string
}

function unlike({ name, version }: LockEntry): string {
  return `it does not look like the tarball of ${name}@${version} in a registry`
}

function spelled(address: string, { spelling }: Place): string {
  if (spelling === 'encoded') return encodeURIComponent(address)
  // An IPv6 host has brackets, which mean something in YAML.
  return spelling === 'plain' && /[[\]{},]/.test(address) ? `'${address}'` : address
}

function edited(text: string, edits: readonly Edit[]): string {
  const pieces: string[] = []
  let done = 0
  for (const edit of edits.toSorted((one, other) => one.at - other.at)) {
    pieces.push(text.slice(done, edit.at), edit.text)
    done = edit.end
  }
  return [...pieces, text.slice(done)].join('')
}
