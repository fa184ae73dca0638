import { edited, type LeftAddress, type RewrittenLock, type TextEdit } from '../../../src/client/rewritten-lock.ts'
import type { LockEntry, Place } from './lock-entries.ts'
import { readEntries } from './read-lock.ts'
import { isTarballAddress, tarballAddress } from './tarball-address.ts'

/**
 * Point every address of a registry's tarball in a lock file at another registry. All else stays as it is, byte for byte, digests above
 * all: the tarball has to be the same. Doing it again changes nothing.
 *
 * @param registry its URL without a trailing slash, of characters that need no escape in JSON
 * @throws DepotError `BAD_REQUEST` for a malformed lock file
 */
export function rewriteLock(filename: string, text: string, registry: string): RewrittenLock {
  const { packages, again, others } = readEntries(filename, text)
  const edits: TextEdit[] = []
  const left = new Map<string, LeftAddress>()
  for (const entry of [...packages, ...again]) {
    const { name, version, resolved, place } = entry
    if (resolved === undefined || place === undefined) continue
    const address = tarballAddress(registry, entry)
    if (resolved === address) continue
    if (isTarballAddress(resolved, entry)) edits.push({ at: place.at, end: place.end, text: spelled(address, place) })
    else left.set(resolved, { item: `${name}@${version}`, url: resolved, reason: unlike(entry) })
  }
  for (const { item, url, reason } of others) if (url !== undefined) left.set(url, { item, url, reason })
  return { text: edited(text, edits), changed: edits.length, left: [...left.values()] }
}

function unlike({ name, version }: LockEntry): string {
  return `it does not look like the tarball of ${name}@${version} in a registry`
}

function spelled(address: string, { spelling }: Place): string {
  if (spelling === 'encoded') return encodeURIComponent(address)
  // An IPv6 host has brackets, which mean something in YAML.
  return spelling === 'plain' && /[[\]{},]/.test(address) ? `'${address}'` : address
}
