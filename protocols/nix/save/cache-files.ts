import type { Download } from '../../../src/client/download.ts'
import { place } from '../../../src/client/fetch-from.ts'
import type { Downloaded, FileRequest } from '../../../src/client/receive-body.ts'
import { savedText, type SavedFiles } from '../../../src/client/saved-files.ts'
import { DepotError, hasCode } from '../../../src/errors.ts'
import { isArchivePath } from './nar-file.ts'

/** The files of a binary cache, wherever it is. */
export interface CacheFiles {
  /** For people; without credentials. */
  readonly name: string
  /** A small file, or undefined when there is none. @throws DepotError `STORAGE_DOWN`, `UNAUTHENTICATED`, `TOO_LARGE` */
  text(path: string, bytesMax: number): Promise<string | undefined>
  /** Whether a narinfo of this cache may name this place. */
  holds(url: string): boolean
  /** Bring a file that `holds` into a folder. @throws DepotError as `Download.file` */
  file(url: string, request: Omit<FileRequest, 'url'>): Promise<Downloaded>
}

/**
 * A cache behind HTTP. What a narinfo names must lie below the cache's own address: whoever wrote it may not send us, and our credentials,
 * elsewhere.
 */
export function httpCache(download: Download, address: URL): CacheFiles {
  const base = new URL(address)
  base.username = ''
  base.password = ''
  if (!base.pathname.endsWith('/')) base.pathname += '/'
  const at = (path: string): URL => {
    const url = new URL(path, base)
    url.username = address.username
    url.password = address.password
    return url
  }
  return {
    name: place(address),
    async text(path, bytesMax) {
      try {
        const { status, text } = await download.ask({ url: at(path), bytesMax })
        return status === 404 ? undefined : text
      } catch (error) {
        // What buckets say of what is not there; Nix takes it so too (nix: libstore/filetransfer.cc).
        if (hasCode(error, 'FORBIDDEN')) return undefined
        throw error
      }
    },
    holds(url) {
      const found = URL.parse(url, base.href)
      const below = found?.origin === base.origin && found.pathname.startsWith(base.pathname)
      return below && found.username === '' && found.password === '' && !STEPS_OUT.test(url)
    },
    file: (url, request) => download.file({ ...request, url: at(url) }),
  }
}

/** A cache that lies in a folder: one that was saved, or copied to by `nix copy --to file://…`. */
export function folderCache(files: SavedFiles, name: string): CacheFiles {
  return {
    name,
    async text(path, bytesMax) {
      const file = await files.find(path)
      return file && savedText(file, bytesMax)
    },
    holds: isArchivePath,
    async file(url, request) {
      const { folder, path, expected, sizeBytesMax, verify } = request
      const file = await files.find(url)
      if (file === undefined) throw new DepotError('NOT_FOUND', `${url} is not in ${name}`)
      if (file.sizeBytes > sizeBytesMax || file.sizeBytes !== (expected.sizeBytes ?? file.sizeBytes))
        throw new DepotError(
          'CONTENT_MISMATCH',
          `${name}/${url} has ${file.sizeBytes} bytes: another size than was told`,
        )
      await using receiving = await folder.receive(path, ['sha256'])
      await receiving.restart()
      try {
        for await (const bytes of (await file.blob()).stream()) await receiving.write(bytes)
        const { sha256 } = receiving.hashes()
        if (sha256 !== (expected.hashes.sha256 ?? sha256))
          throw new DepotError('CONTENT_MISMATCH', `${name}/${url} has the sha256 ${sha256}: another one than was told`)
        await verify?.(() => receiving.content())
      } catch (error) {
        await receiving.restart()
        throw error
      }
      await receiving.publish()
      return { sizeBytes: receiving.sizeBytes, hashes: receiving.hashes() }
    },
  }
}

/** Steps to the folder above, however they are written, also where there is none above. */
const STEPS_OUT = /(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\?#]|%2f|%5c|$)/i
