import { DepotError } from '../../src/errors.ts'

/** JSON that is put together part by part, and may only become so long. */
export interface BoundedText {
  /** @throws DepotError `TOO_LARGE` */
  add(part: string): void
  text(): string
}

/** An empty one of at most so many bytes of UTF-8. */
export function boundedText(limitBytes: number): BoundedText {
  const parts: string[] = []
  let sizeBytes = 0
  return {
    add(part) {
      sizeBytes += Buffer.byteLength(part)
      if (sizeBytes > limitBytes)
        throw new DepotError('TOO_LARGE', `the archive has more files than a listing of ${limitBytes} bytes can name`)
      parts.push(part)
    },
    text: () => parts.join(''),
  }
}

/** The parts of a listing, as Nix writes them (nix: libstore/nar-accessor.cc, listNar). */
export const LISTING = {
  begin: '{"root":',
  end: ',"version":1}',
  directory: '{"type":"directory","entries":{',
  directoryEnd: '}}',
  entry: (separator: string, name: string): string => `${separator}${JSON.stringify(name)}:`,
  link: (target: string): string => `{"type":"symlink","target":${JSON.stringify(target)}}`,
  file({ executable, sizeBytes, offset }: ListedFile): string {
    const marker = executable ? '"executable":true,' : ''
    return `{"type":"regular",${marker}"size":${sizeBytes},"narOffset":${offset}}`
  },
} as const

/** What a listing says of a plain file. */
export interface ListedFile {
  readonly executable: boolean
  readonly sizeBytes: number
  /** Where in the archive its content begins. */
  readonly offset: number
}
