/** A kind of machine as Node names it: `process.platform`, `process.arch`, and on Linux its C library. */
export interface Platform {
  readonly os: string
  readonly cpu: string
  /** Undefined: any. */
  readonly libc: 'glibc' | 'musl' | undefined
}

/** Read `linux-x64`, `linux-x64-musl`, `darwin-arm64`; undefined for anything else. */
export function parsePlatform(text: string): Platform | undefined {
  const groups = /^(?<os>[a-z0-9]+)-(?<cpu>[a-z0-9_]+)(?:-(?<libc>glibc|musl))?$/.exec(text)?.groups
  const { os, cpu, libc } = groups ?? {}
  return os === undefined || cpu === undefined ? undefined : { os, cpu, libc: libc as Platform['libc'] }
}

/** Where a version says that it runs: `os`, `cpu` and `libc` of its package.json. */
export interface Conditions {
  readonly os?: unknown
  readonly cpu?: unknown
  readonly libc?: unknown
}

/** Whether a version runs on one of these; on any, when none is named. npm's rules (npm-install-checks). */
export function runsOn({ os, cpu, libc }: Conditions, platforms: readonly Platform[]): boolean {
  if (platforms.length === 0) return true
  return platforms.some((platform) => {
    const libcFits = libc === undefined || (platform.os === 'linux' && fits(platform.libc, libc))
    return fits(platform.os, os) && fits(platform.cpu, cpu) && libcFits
  })
}

/** Nothing of what is excluded, and one of the others if there are any. */
function fits(value: string | undefined, list: unknown): boolean {
  const names = (Array.isArray(list) ? list : [list]).filter((name): name is string => typeof name === 'string')
  if (value === undefined || names.length === 0 || (names.length === 1 && names[0] === 'any')) return true
  const [no, yes] = [names.filter((name) => name.startsWith('!')), names.filter((name) => !name.startsWith('!'))]
  return !no.includes(`!${value}`) && (yes.length === 0 || yes.includes(value))
}
