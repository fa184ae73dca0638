import type { AuditEntry } from '../../src/kv-store.ts'
import { auditEntry, type Caller } from '../../src/protocol.ts'

/** What was done to a package, for the audit log. */
export interface Done {
  readonly action: 'write' | 'delete' | 'admin' | 'sign'
  /** The version or the dist-tag that it was done to; absent for the package as a whole. */
  readonly part?: string
  /** What it was that was written, where another name than the package's would mislead. */
  readonly what?: 'history' | 'attestations'
  /** sha256 of the tarball concerned. */
  readonly digest?: string
}

/**
 * npm's lines of the audit log: `name`, `name@1.0.0`, `name@tag`, `name history` or `name@1.0.0 attestations`. All of them are made here, because whoever follows
 * the log reads back with `packageIn` which packages have changed.
 */
export function npmAuditEntry(caller: Caller, name: string, { action, part, what, digest = '' }: Done): AuditEntry {
  const named = part === undefined ? name : `${name}@${part}`
  const resource = what === undefined ? named : `${named} ${what}`
  return auditEntry(caller, { action: `npm:${action}`, resource, digest })
}

/** The line about a public key of another registry, brought in or taken away. No package has such a name. */
export function npmKeyAuditEntry(caller: Caller, keyid: string, action: 'admin' | 'delete' = 'admin'): AuditEntry {
  return auditEntry(caller, { action: `npm:${action}`, resource: `${KEYS}${keyid}`, digest: '' })
}

const KEYS = '-/npm/v1/keys/'

/** The package that a line of the log is about; undefined for what is none of npm's changes to packages. */
export function packageIn({
  action,
  resource,
  result,
}: Pick<AuditEntry, 'action' | 'resource' | 'result'>): string | undefined {
  if (result !== 'done' || !action.startsWith('npm:') || resource.startsWith(KEYS)) return undefined
  // No name has a space, or an `@` behind its first character: that one begins a scope.
  return /^@?[^@\s]+/.exec(resource)?.[0]
}
