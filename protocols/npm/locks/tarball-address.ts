import { tarballPath, tarballVersion } from '../tarball-name.ts'

/** A version of a package that an address is said to be of. */
interface Named {
  readonly name: string
  readonly version: string
}

/**
 * Whether an address is that of a package's tarball in some registry, wherever that is and however deep: `<name>/-/<file>` as npmjs and
 * most have it, `<name>/-/<version>/<file>` of Gitea and Forgejo, `download/<name>/<version>/<digest>` of GitHub.
 */
export function isTarballAddress(address: string, { name, version }: Named): boolean {
  const url = URL.parse(address)
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') return false
  const path = decoded(url.pathname)
  if (path === undefined) return false
  const own = path.lastIndexOf(`/${name}/`)
  // Below a scope it is the package of that scope.
  if (own < 0 || (!name.startsWith('@') && /\/@[^/]*$/.test(path.slice(0, own)))) return false
  const rest = path.slice(own + name.length + 2).split('/')
  if (rest[0] === '-') return isFile(rest.slice(1), { name, version })
  return path.slice(0, own).endsWith('/download') && isGitHubFile(rest, version)
}

/** A tarball in a registry as npmjs spells it. @param registry its URL without a trailing slash */
export function tarballAddress(registry: string, { name, version }: Named): string {
  return `${registry}/${tarballPath(name, version).replaceAll("'", '%27')}`
}

/** Some registries keep the scope in the file's name, which makes two parts of it. */
function isFile(parts: readonly string[], { name, version }: Named): boolean {
  const file = (parts[0] === version ? parts.slice(1) : parts).join('/')
  return tarballVersion(name, file) === version
}

function isGitHubFile([inUrl, digest = '', ...more]: readonly string[], version: string): boolean {
  return inUrl === version && more.length === 0 && /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(digest)
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}
