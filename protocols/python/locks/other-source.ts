import type { OtherItem } from './lock-types.ts'

/** A package that is built from a repository. */
export function fromRepository(name: string, address: string): OtherItem {
  const reason = 'it comes from a repository, and no index has it: build a wheel of it and publish that'
  return otherItem(name, address, { reason, breaks: true })
}

/** A package that is a folder or a file on the machine of whoever locked it. */
export function fromPath(name: string, path: string): OtherItem {
  const breaks = isElsewhere(path)
  const reason = breaks
    ? 'it lies on this machine: carry it along, or publish it'
    : 'it lies beside the lock file, and comes along with it'
  return otherItem(name, path, { reason, breaks })
}

function otherItem(name: string, at: string, why: Pick<OtherItem, 'reason' | 'breaks'>): OtherItem {
  const address = shown(at)
  return { item: `${name} (${address})`, name, address, ...why }
}

/** Outside of what belongs to the project. */
function isElsewhere(path: string): boolean {
  return /^(?:\/|~|[a-z]:[/\\]|file:|\\)/i.test(path)
}

/** Without what may be a password. */
export function shown(address: string): string {
  return address.replace(/\/\/[^/@]*@/, '//').slice(0, 200)
}
