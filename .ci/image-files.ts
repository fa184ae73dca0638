import { IMAGE_USER } from './oci.ts'

/** What Node and the native packages are linked to, and the certificates and the name of the system: no shell, no package manager. */
export const DEBIAN_PACKAGES = ['base-files', 'ca-certificates', 'libc6', 'libgcc-s1', 'libstdc++6'] as const

/**
 * Where a file of a Debian package lies in the image, or undefined when it is left out. All libraries lie below `/usr`, as in Debian
 * since 13, whatever the package says; licences stay beside what they are of.
 *
 * @param file its path without the leading `/`
 */
export function debianTarget(file: string): string | undefined {
  const target = file.replace(/^lib(32|64)?\//, 'usr/lib$1/')
  const kept =
    target === 'usr/lib/os-release' ||
    /^usr\/lib(64)?\/ld-[^/]+$/.test(target) ||
    /^usr\/lib\/[^/]+-linux-gnu\/[^/]+\.so(\.[^/]+)?$/.test(target) ||
    /^usr\/share\/doc\/[^/]+\/copyright$/.test(target)
  return kept ? target : undefined
}

/**
 * Whether a file below `node_modules` is needed at run time on this platform: not the sources of native code, the code for other
 * platforms, types, maps of sources, or npm's own notes.
 *
 * @param platform as prebuilt code is named: `linux-x64`
 */
export function keepsDependency(file: string, platform: string): boolean {
  const native = /^(?:better-sqlite3|lzma-native)\/(prebuilds|deps|src)\/([^/]+)/.exec(file)
  if (native !== null) return native[1] === 'prebuilds' && native[2]?.replace(/\.node$/, '') === platform
  return !/^\.|^@types\/|\.d\.[cm]?ts$|\.map$/.test(file)
}

/** Small files of the base, by path. */
export function baseFiles(): ReadonlyMap<string, string> {
  const { name, id } = IMAGE_USER
  const users = ['root:x:0:0:root:/:/sbin/nologin', `${name}:x:${id}:${id}:${name}:/data:/sbin/nologin`]
  return new Map([
    ['etc/passwd', `${users.join('\n')}\n`],
    ['etc/group', `root:x:0:\n${name}:x:${id}:\n`],
    ['etc/nsswitch.conf', 'hosts: files dns\n'],
  ])
}

/** Folders that somebody fills or mounts over, and who may write there. */
export const BASE_FOLDERS = {
  data: { mode: 0o700, owner: IMAGE_USER.id },
  'etc/depot': { mode: 0o755 },
  tmp: { mode: 0o1777 },
} as const

/** `/usr/bin/depot`: there is no `env` in the image for the first line of the launcher. */
export const DEPOT_PROGRAM = "#!/usr/bin/node\nimport '/usr/lib/depot/cmd/launch.js'\n"
