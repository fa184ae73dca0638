import { execFile } from 'node:child_process'
import { chmod, copyFile, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { z } from 'zod'

import {
  BASE_FOLDERS,
  baseFiles,
  DEBIAN_PACKAGES,
  debianTarget,
  DEPOT_PROGRAM,
  keepsDependency,
} from './image-files.ts'

const ROOT = path.dirname(import.meta.dirname)
const MANIFEST = z.object({ files: z.array(z.string()) })

const execute = promisify(execFile)

/** Debian's libraries, certificates, a user and the folders. @throws Error when apt cannot download */
export async function stageBase(folder: string, scratch: string): Promise<void> {
  await download(scratch)
  const certificates: string[] = []
  for (const archive of (await readdir(scratch)).filter((file) => file.endsWith('.deb')).toSorted()) {
    const unpacked = path.join(scratch, 'unpacked')
    await run('dpkg-deb', ['-x', archive, unpacked], scratch)
    await stageDebian(unpacked, folder)
    certificates.push(...(await certificatesOf(unpacked)))
    await put(folder, `var/lib/dpkg/status.d/${archive.split('_')[0] ?? ''}`, await fieldsOf(archive, scratch))
    await rm(unpacked, { recursive: true })
  }
  await put(folder, 'etc/ssl/certs/ca-certificates.crt', certificates.join(''))
  for (const [file, text] of baseFiles()) await put(folder, file, text)
  for (const name of Object.keys(BASE_FOLDERS)) await mkdir(path.join(folder, name), { recursive: true })
  await symlink('usr/lib', path.join(folder, 'lib'))
  await symlink('usr/lib64', path.join(folder, 'lib64'))
  await mkdir(path.join(folder, 'usr/lib64'), { recursive: true })
  await symlink('../usr/lib/os-release', path.join(folder, 'etc/os-release'))
}

/** The Node that the checkout is pinned to. */
export async function stageNode(folder: string): Promise<void> {
  await mkdir(path.join(folder, 'usr/bin'), { recursive: true })
  await copyFile(path.join(ROOT, 'node_modules/node/bin/node'), path.join(folder, 'usr/bin/node'))
}

/** The packages that the lock file names for running, for this platform. */
export async function stageDependencies(folder: string, scratch: string): Promise<void> {
  for (const file of ['package.json', 'package-lock.json'])
    await copyFile(path.join(ROOT, file), path.join(scratch, file))
  await run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'], scratch)
  const [source, platform] = [path.join(scratch, 'node_modules'), `linux-${process.arch}`]
  await copyChosen(source, path.join(folder, 'usr/lib/depot/node_modules'), (file) =>
    keepsDependency(file, platform) ? file : undefined,
  )
}

/** The package as npm would publish it, built apart from the checkout's, and the program. */
export async function stageDepot(folder: string): Promise<void> {
  const target = path.join(folder, 'usr/lib/depot')
  await run(process.execPath, ['.ci/build.ts', path.join(target, 'dist')], ROOT)
  const { files } = MANIFEST.parse(JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8')))
  for (const file of ['package.json', ...files.filter((name) => name !== 'dist')]) {
    await cp(path.join(ROOT, file), path.join(target, file), { recursive: true })
  }
  await put(folder, 'usr/bin/depot', DEPOT_PROGRAM)
  await chmod(path.join(folder, 'usr/bin/depot'), 0o755)
}

/** What a program prints. @throws Error with what it said when it fails */
export async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { stdout } = await execute(command, args, { cwd, maxBuffer: 64 * 1024 * 1024 })
  return stdout
}

/** @throws Error when apt cannot download */
async function download(scratch: string): Promise<void> {
  try {
    await run('apt-get', ['download', ...DEBIAN_PACKAGES], scratch)
    // Named by its version: the licence of the two libraries of GCC lies there.
    const depends = await run('apt-cache', ['depends', 'libgcc-s1'], scratch)
    await run('apt-get', ['download', ...(depends.match(/\bgcc-\d+-base\b/) ?? [])], scratch)
  } catch (error) {
    throw new Error('the image needs packages of Debian: run `apt-get update` on a Debian that reaches its mirror', {
      cause: error,
    })
  }
}

async function stageDebian(unpacked: string, folder: string): Promise<void> {
  await copyChosen(unpacked, folder, debianTarget)
}

/** As `update-ca-certificates` would join them, which runs where a package is installed. */
async function certificatesOf(unpacked: string): Promise<readonly string[]> {
  const folder = path.join(unpacked, 'usr/share/ca-certificates/mozilla')
  const files = await readdir(folder).catch(() => [])
  return Promise.all(files.toSorted().map((file) => readFile(path.join(folder, file), 'utf8')))
}

/** What the package says of itself: scanners for known weaknesses read it. */
async function fieldsOf(archive: string, cwd: string): Promise<string> {
  return `${(await run('dpkg-deb', ['--field', archive], cwd)).trim()}\nStatus: install ok installed\n`
}

/** Copy the files and links below `source` for which `target` gives a path. */
async function copyChosen(source: string, folder: string, target: (file: string) => string | undefined): Promise<void> {
  for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name)
    const chosen = entry.isDirectory() ? undefined : target(path.relative(source, file))
    if (chosen === undefined) continue
    await mkdir(path.dirname(path.join(folder, chosen)), { recursive: true })
    await cp(file, path.join(folder, chosen), { verbatimSymlinks: true })
  }
}

async function put(folder: string, file: string, text: string): Promise<void> {
  await mkdir(path.dirname(path.join(folder, file)), { recursive: true })
  await writeFile(path.join(folder, file), text)
}
