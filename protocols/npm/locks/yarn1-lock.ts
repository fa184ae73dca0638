import type { LockedSource } from './locked-package.ts'
import { entryOf, lockEntries, sourceOf, type FoundPackage, type LockEntries, type LockEntry } from './lock-entries.ts'
import { malformed, type LockText, type TextTree } from './tree.ts'
import { readYarnEntries, type YarnEntry } from './yarn-grammar.ts'

/** yarn.lock of yarn 1. @throws DepotError `BAD_REQUEST` */
export function readYarn1Lock(source: LockText): LockEntries {
  const header = /^# yarn lockfile v(?<version>\d+)/m.exec(source.text)
  if (header !== null && header.groups?.['version'] !== '1')
    throw malformed(
      source,
      header.index,
      'this version of yarn.lock is not known: it has to be 1, or that of yarn 2 and up',
    )
  return lockEntries(
    'yarn 1',
    readYarnEntries(source).map((entry) => packageEntry(source, entry)),
  )
}

function packageEntry(source: LockText, { at, patterns, fields }: YarnEntry): LockEntry | LockedSource {
  const [first = ''] = patterns
  const version = fields.get('version')?.text
  if (version === undefined) throw malformed(source, at, `'${first.slice(0, 200)}' has no 'version'`)
  const resolved = fields.get('resolved')
  const { name, range } = wanted(first)
  // A range or a tag has neither slash nor colon; what has is an address.
  if (/[/:]/.test(range)) return sourceOf(first, resolved?.text ?? range)
  const [address, sha1] = resolved === undefined ? [] : splitAddress(resolved)
  return entryOf({ name, version, integrity: fields.get('integrity')?.text ?? sha1, resolved: address })
}

/** What was asked for by `name@range`, or by `alias@npm:name@range`. */
function wanted(pattern: string): { readonly name: string; readonly range: string } {
  const at = pattern.indexOf('@', 1)
  const [name, range] = at < 0 ? [pattern, ''] : [pattern.slice(0, at), pattern.slice(at + 1)]
  return range.startsWith('npm:') ? wanted(range.slice('npm:'.length)) : { name, range }
}

/** `<url>#<sha1 in hex>`: locks of before 2018 have no other digest. */
function splitAddress({ text, at, end, quoted }: TextTree): readonly [FoundPackage['resolved'], string | undefined] {
  const hash = text.indexOf('#')
  const url = hash < 0 ? text : text.slice(0, hash)
  const sha1 = text.slice(url.length + 1)
  // Spelled with escapes, the place of the hash is not known: the address is then left as it is.
  const plain = end - at === text.length
  const place = { at, end: plain ? at + url.length : end, spelling: quoted ? 'quoted' : 'plain' } as const
  const integrity = /^[0-9a-f]{40}$/.test(sha1) ? `sha1-${Buffer.from(sha1, 'hex').toString('base64')}` : undefined
  return [{ url: plain ? url : text, place }, integrity]
}
