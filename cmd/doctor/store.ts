import { randomBytes } from 'node:crypto'
import { link, mkdtemp, open, rename, rm, stat, statfs } from 'node:fs/promises'
import { userInfo } from 'node:os'
import path from 'node:path'
import process from 'node:process'

import { networkFileSystem } from '../../storage/kv/sqlite/connection.ts'
import { LIMITS } from '../../src/limits.ts'
import { messageOf, systemCode } from '../../src/thrown.ts'
import type { ServeConfig } from '../settings/config.ts'
import { fail, ok, warn, type Finding } from './finding.ts'
import { storeFolders } from './store-folders.ts'
import { shellWord } from './shell-word.ts'
import { sizeText } from './sizes.ts'

/** The folder of the data, and those of several stores: whose it is, who may write there, and whether it can do what a depot needs. */
export async function checkStore(config: ServeConfig): Promise<readonly Finding[]> {
  const { storePath, storageType } = config
  const blobs =
    storageType === 'memory'
      ? [warn('blobs are kept in memory, and gone with the server', 'depot serve --storage-type fs')]
      : []
  const folders = await Promise.all([storePath, ...storeFolders(config)].map(lookAtFolder))
  return [...folders.flat(), ...blobs]
}

async function lookAtFolder(storePath: string): Promise<readonly Finding[]> {
  const there = await stat(storePath).catch(missing)
  const folder = there === undefined ? await nearestFolder(storePath) : storePath
  if (there !== undefined && !there.isDirectory())
    return [fail(`${storePath} is no folder`, `mv ${shellWord(storePath)} ${shellWord(`${storePath}.old`)}`)]
  const able = await tryFolder(folder)
  if (able !== undefined) return [able]
  if (there === undefined) return [ok(`${storePath} is not there yet: the first start makes it`)]
  const owner = there.uid === process.getuid?.() ? [] : [ofAnother(storePath, there.uid)]
  const open = (there.mode & 0o022) === 0 ? [] : [openToOthers(storePath, there.mode)]
  const faults = [...owner, ...open]
  return faults.length > 0 ? faults : [ok(`${storePath} is ours; files can be made, synced, linked and renamed there`)]
}

function ofAnother(storePath: string, uid: number): Finding {
  const me = userInfo().username
  return warn(
    `${storePath} belongs to user ${uid}, and this is ${me}: who runs the server?`,
    `chown -R ${shellWord(me)} ${shellWord(storePath)}   (or run the server as its owner)`,
  )
}

function openToOthers(folder: string, mode: number): Finding {
  const octal = (mode & 0o7777).toString(8)
  return warn(`others may write in ${folder} (mode ${octal})`, `chmod go-w ${shellWord(folder)}`)
}

/** Space and places for files on the volume of the data. */
export async function checkDisk(config: ServeConfig): Promise<readonly Finding[]> {
  return (await Promise.all([config.storePath, ...storeFolders(config)].map(lookAtVolume))).flat()
}

async function lookAtVolume(folder: string): Promise<readonly Finding[]> {
  const volume = await statfs(await nearestFolder(folder))
  return judgeDisk({
    folder,
    freeBytes: volume.bavail * volume.bsize,
    sizeBytes: volume.blocks * volume.bsize,
    freeFiles: volume.ffree,
    files: volume.files,
  })
}

export interface Volume {
  readonly folder: string
  readonly freeBytes: number
  readonly sizeBytes: number
  /** Inodes; a file system that makes them as they are needed has 0 of both. */
  readonly freeFiles: number
  readonly files: number
}

export function judgeDisk({ folder, freeBytes, sizeBytes, freeFiles, files }: Volume): readonly Finding[] {
  const space = `${sizeText(freeBytes)} of ${sizeText(sizeBytes)} are free for ${folder}`
  const look = `du -xh -d 2 ${shellWord(folder)} | sort -h | tail   (then free some, or move it: --store-path)`
  const inodes =
    files > 0 && freeFiles < files / 100
      ? [
          warn(
            `${freeFiles} more files fit on the volume of ${folder}`,
            `du -x --inodes -d 2 ${shellWord(folder)} | sort -n | tail`,
          ),
        ]
      : []
  if (freeBytes < LIMITS.doctorSpaceBytesMin) return [fail(`${space}: uploads fail`, look), ...inodes]
  if (freeBytes < LIMITS.doctorSpaceBytesAdvised) return [warn(space, look), ...inodes]
  return inodes.length > 0 ? inodes : [ok(space)]
}

/** What kind of file system the data lie on. */
export async function checkFileSystem({ storePath, databaseUrl }: ServeConfig): Promise<readonly Finding[]> {
  const folder = await nearestFolder(storePath)
  const { type } = await statfs(folder)
  const network = networkFileSystem(type)
  if (network !== undefined && databaseUrl.startsWith('sqlite:'))
    return [
      warn(
        `${storePath} lies on a network file system (${network}): SQLite is slow there, and its log is not safe`,
        'depot serve --database-url postgres://…   (or --store-path on a disk of this machine)',
      ),
    ]
  if (IN_MEMORY.has(type >>> 0))
    return [
      warn(
        `${storePath} lies in memory: it is gone after a restart of the machine`,
        'depot serve --store-path /srv/depot',
      ),
    ]
  const folded = await foldsCase(folder).catch(() => false)
  return [ok(folded ? 'it takes upper and lower case for one, which a depot can do with' : (network ?? 'a local disk'))]
}

/** tmpfs and ramfs, by the magic numbers of statfs(2). */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6])

/** Make a file there, sync it, link it, rename it, sync the folder, and leave nothing. */
async function tryFolder(folder: string): Promise<Finding | undefined> {
  let at: string | undefined
  let doing = 'make files'
  try {
    at = await mkdtemp(path.join(folder, '.doctor-'))
    const file = path.join(at, 'one')
    await using handle = await open(file, 'wx', 0o600)
    await handle.writeFile('depot doctor\n')
    doing = 'sync files'
    await handle.sync()
    doing = 'link files'
    await link(file, path.join(at, 'two'))
    doing = 'rename files'
    await rename(file, path.join(at, 'three'))
    doing = 'sync folders'
    await using directory = await open(at, 'r')
    await directory.sync()
    return undefined
  } catch (error) {
    return unable(folder, doing, error)
  } finally {
    if (at !== undefined) await rm(at, { recursive: true, force: true }).catch(() => {})
  }
}

function unable(folder: string, doing: string, error: unknown): Finding {
  const me = shellWord(userInfo().username)
  const code = systemCode(error)
  const why = `we cannot ${doing} in ${folder}: ${code ?? messageOf(error)}`
  if (code === 'EROFS') return fail(`${why}: it is mounted read-only`, `mount -o remount,rw ${shellWord(folder)}`)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return fail(`${why}: it is full`, `du -xh -d 2 ${shellWord(folder)} | sort -h | tail`)
  if (code === 'EACCES' || code === 'EPERM')
    return fail(why, `chown -R ${me} ${shellWord(folder)} && chmod u+rwx ${shellWord(folder)}`)
  return fail(why, 'depot serve --store-path /srv/depot   (a folder on a disk that can)')
}

async function foldsCase(folder: string): Promise<boolean> {
  const name = `.doctor-${randomBytes(6).toString('hex')}`
  const file = path.join(folder, `${name}a`)
  try {
    await (await open(file, 'wx', 0o600)).close()
    return (await stat(path.join(folder, `${name}A`)).catch(missing)) !== undefined
  } finally {
    await rm(file, { force: true })
  }
}

/** The folder, or the one above it in which it would be made. */
async function nearestFolder(folder: string): Promise<string> {
  for (let at = folder; ; at = path.dirname(at))
    if ((await stat(at).catch(missing)) !== undefined || path.dirname(at) === at) return at
}

function missing(error: unknown): undefined {
  if (systemCode(error) === 'ENOENT') return undefined
  throw error
}
