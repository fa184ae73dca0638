import { distOf, type PackageJson } from './npm-fixtures.ts'

export interface LockEntry {
  readonly packageJson: PackageJson
  /** Its integrity is that of these bytes; without them there is none. */
  readonly tarball?: Uint8Array
  /** What the project asks for; anything, if it does not matter. */
  readonly spec?: string
  /** What stands in the entry besides. */
  readonly more?: Readonly<Record<string, unknown>>
}

/** A package-lock.json of npm 7 and later, without addresses. */
export function packageLock(entries: readonly LockEntry[]): string {
  const packages = entries.map(({ packageJson: { name, version }, tarball, more = {} }) => {
    const integrity = tarball === undefined ? {} : { integrity: distOf(tarball).integrity }
    return [`node_modules/${name}`, { version, ...integrity, ...more }] as const
  })
  const dependencies = Object.fromEntries(entries.map(({ packageJson, spec = '*' }) => [packageJson.name, spec]))
  const root = { name: 'app', dependencies }
  return JSON.stringify({ name: 'app', lockfileVersion: 3, packages: { '': root, ...Object.fromEntries(packages) } })
}
