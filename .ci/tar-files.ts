import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { lstat, readdir, readlink, rename } from 'node:fs/promises'
import path from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

import { type Header, type Pack, pack } from 'tar-stream'

import { blobPath, type LayerBlob } from './oci.ts'

/** What differs from root's own, for everyone to read: by the path in the archive. */
export type Exceptions = Readonly<Record<string, { readonly mode: number; readonly owner?: number }>>

/** How one file stands in an archive: nothing of the machine, the user or the hour that made it. */
export function header(name: string, stat: FileStat, exceptions: Exceptions): EntryHeader {
  const exception = exceptions[name]
  const owner = exception?.owner ?? 0
  const mode = exception?.mode ?? (stat.type === 'file' && !stat.executable ? 0o644 : 0o755)
  const link = stat.type === 'symlink' ? { linkname: stat.target } : {}
  const size = stat.type === 'file' ? stat.sizeBytes : 0
  const shown = stat.type === 'directory' ? `${name}/` : name
  return { name: shown, type: stat.type, mode, uid: owner, gid: owner, size, mtime: new Date(0), ...link }
}

type EntryHeader = Partial<Header> & Pick<Header, 'name'>

export type FileStat =
  | { readonly type: 'file'; readonly sizeBytes: number; readonly executable: boolean }
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'directory' }

/** Write what lies in `folder` as a compressed layer below `layout`, in the order of the names. */
export async function writeLayer(
  folder: string,
  layout: string,
  title: string,
  exceptions: Exceptions = {},
): Promise<LayerBlob> {
  const archive = pack()
  const [whole, packed] = [new Counter(), new Counter()]
  const file = path.join(layout, 'blobs', 'layer.partial')
  const filled = addFolder(archive, folder, '', exceptions).then(() => archive.finalize())
  await Promise.all([filled, pipeline(archive, whole, createGzip({ level: 6 }), packed, createWriteStream(file))])
  const layer = { digest: packed.digest(), sizeBytes: packed.bytes, diffId: whole.digest(), title }
  await rename(file, path.join(layout, blobPath(layer.digest)))
  return layer
}

/** Write a folder as one archive that is the same for the same files. */
export async function writeArchive(folder: string, file: string): Promise<void> {
  const archive = pack()
  const filled = addFolder(archive, folder, '', {}).then(() => archive.finalize())
  await Promise.all([filled, pipeline(archive, createWriteStream(file))])
}

async function addFolder(archive: Pack, folder: string, below: string, exceptions: Exceptions): Promise<void> {
  for (const name of (await readdir(folder)).toSorted()) {
    const [file, shown] = [path.join(folder, name), `${below}${name}`]
    const stat = await statOf(file)
    const entry = header(shown, stat, exceptions)
    if (stat.type === 'file') await pipeline(createReadStream(file), archive.entry(entry))
    else archive.entry(entry, '')
    if (stat.type === 'directory') await addFolder(archive, file, `${shown}/`, exceptions)
  }
}

async function statOf(file: string): Promise<FileStat> {
  const stat = await lstat(file)
  if (stat.isSymbolicLink()) return { type: 'symlink', target: await readlink(file) }
  if (stat.isDirectory()) return { type: 'directory' }
  return { type: 'file', sizeBytes: stat.size, executable: (stat.mode & 0o100) !== 0 }
}

/** Passes bytes on, hashed and counted. */
class Counter extends Transform {
  bytes = 0
  readonly #hash = createHash('sha256')

  override _transform(chunk: Buffer, _encoding: string, done: (error: null, chunk: Buffer) => void): void {
    this.bytes += chunk.length
    this.#hash.update(chunk)
    done(null, chunk)
  }

  digest(): string {
    return `sha256:${this.#hash.digest('hex')}`
  }
}
