import { DepotError } from '../errors.ts'

/** A file of a folder that was saved, or of a bundle made of one. */
export interface SavedFile {
  /** Below the folder, with `/`: `express/metadata.json`. */
  readonly path: string
  readonly sizeBytes: number
  /** When it was last written, in milliseconds since 1970, where that is known. */
  readonly modifiedMs?: number
  /** Its bytes, read when they are asked for. It cannot be read to its end when the file changes meanwhile. */
  blob(): Promise<Blob>
}

/** What was saved: files by path, wherever they lie. */
export interface SavedFiles {
  /** All files at or below a folder, sorted by path in the order of their UTF-8 bytes; nothing for a folder that is not there. */
  list(folder?: string): AsyncIterable<SavedFile>
  find(path: string): Promise<SavedFile | undefined>
}

/** A hash function by OpenSSL's name. */
export type Algorithm = 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512'

/** Digests in hex. */
export type Hashes = Readonly<Partial<Record<Algorithm, string>>>

/** A folder that is being filled. One process at a time fills it. A file is there whole, or it is not there. */
export interface SavedFolder extends SavedFiles, AsyncDisposable {
  /**
   * Write a small file, or replace it.
   *
   * @throws DepotError `STORAGE_FULL`, `STORAGE_DOWN`
   */
  write(path: string, content: string | Uint8Array): Promise<void>
  /** Begin to write a large file, or go on where an earlier run was stopped. @throws DepotError as `write` */
  receive(path: string, algorithms: readonly Algorithm[]): Promise<Receiving>
  /** Nothing happens when it is not there. */
  remove(path: string): Promise<void>
  /** The digests of a file. @throws DepotError `NOT_FOUND` */
  hash(path: string, algorithms: readonly Algorithm[]): Promise<Hashes>
}

/** A file on its way. Disposing keeps what came, for the next run. */
export interface Receiving extends AsyncDisposable {
  /** How much is there already. */
  readonly sizeBytes: number
  write(bytes: Uint8Array): Promise<void>
  /** Throw away what is there. */
  restart(): Promise<void>
  /** The digests of what is there. */
  hashes(): Hashes
  /** What is there, from its beginning. Nothing may be written meanwhile. */
  content(): AsyncIterable<Uint8Array>
  /** Make it visible under its path, durably. Nobody may write more. @throws DepotError `STORAGE_FULL`, `STORAGE_DOWN` */
  publish(): Promise<void>
}

/**
 * Hold a path to what can be written below a folder on any system, and realisations of Nix on all but Windows: names of 1 to 255 bytes
 * between single `/`, none of which begins with a dot, and nothing that leads out.
 *
 * @throws DepotError `INVALID_NAME`
 */
export function parseSavedPath(path: string): string {
  const names = path.split('/')
  if (path.length <= PATH_LENGTH_MAX && names.every((name) => NAME.test(name) && Buffer.byteLength(name) <= 255))
    return path
  throw new DepotError('INVALID_NAME', `${JSON.stringify(path.slice(0, 200))} is no path of a saved file`)
}

const PATH_LENGTH_MAX = 1024
/**
 * Neither a control character nor what Windows takes for something else, but for the one name that Nix clients ask for all the same:
 * `sha256:<hash>!<output>.doi`, which is no path of another drive there.
 */
const NAME = /^(?:sha256:)?[^\p{Cc}\p{Cs}\\/:*?"<>|.][^\p{Cc}\p{Cs}\\/:*?"<>|]*$/u

/** The files below a folder, with their paths from there on. */
export function savedBelow(files: SavedFiles, folder: string): SavedFiles {
  const prefix = `${folder}/`
  const shortened = (file: SavedFile): SavedFile => ({ ...file, path: file.path.slice(prefix.length) })
  return {
    async *list(below) {
      for await (const file of files.list(below === undefined ? folder : prefix + below)) yield shortened(file)
    },
    async find(path) {
      const file = await files.find(prefix + path)
      return file && shortened(file)
    },
  }
}

/** A whole file as text. @throws DepotError `TOO_LARGE` */
export async function savedText(file: SavedFile, bytesMax: number): Promise<string> {
  if (file.sizeBytes > bytesMax) throw new DepotError('TOO_LARGE', `${file.path} is larger than ${bytesMax} bytes`)
  return (await file.blob()).text()
}
